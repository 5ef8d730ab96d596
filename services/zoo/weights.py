"""Give a module the weights behind a reference."""

import io
import pickle
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load as load_safetensors
from torch import Tensor, nn

from services.edge.errors import InvalidDeclaration, InvalidInput, InvalidWeights, Unavailable
from services.edge.whole_number import read_whole_number
from services.zoo import efficientnet_lite
from services.zoo.pretrained import PRETRAINED
from services.zoo.weight_references import RANDOM, TORCHVISION, FetchedWeights


def load_into(module: nn.Module, weights: FetchedWeights, architecture: str, size: tuple[int, int]) -> None:
    """Give `module` its weights; `size` is (H, W) of its pictures.

    Raises:
        InvalidWeights: not safetensors, cut short, not finite, or tensors missing, left over or of another shape.
        InvalidDeclaration: a torchvision name or seed that does not exist.
        Unavailable: torchvision's weights cannot be downloaded.
    """
    reference = weights.reference
    if reference.startswith(RANDOM):
        randomise(module, seed_of(reference), size)
        return
    tensors: Mapping[str, Tensor]
    if reference.startswith(TORCHVISION):
        tensors = _from_torchvision(reference.removeprefix(TORCHVISION), architecture)
    elif reference.startswith(PRETRAINED):
        tensors = _from_checkpoint(weights)
    else:
        try:
            tensors = load_safetensors(weights.stored)
        except SafetensorError as error:
            raise InvalidWeights(f"{reference}: not a whole safetensors file: {error}") from error
    _check(module, tensors, reference)
    module.load_state_dict(tensors)


def randomise(module: nn.Module, seed: int, size: tuple[int, int]) -> None:
    """Draw weights so that activations neither die nor explode: He et al. 2015, batch-norm statistics from noise.

    Equal seeds give equal weights.

    Args:
        size: (H, W) of the pictures that the noise stands for.
    """
    # Not torch's own generator, which threads share: two that drew at once would each get some of the other's numbers.
    drawn = torch.Generator().manual_seed(seed)
    norms = []
    with torch.no_grad():
        for layer in module.modules():
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu", generator=drawn)
                if layer.bias is not None:
                    nn.init.normal_(layer.bias, std=0.1, generator=drawn)
            elif isinstance(layer, nn.BatchNorm2d):
                norms.append((layer, layer.momentum))
                # Without a momentum the statistics become the average over what follows: one batch.
                layer.momentum = None
                layer.reset_running_stats()
        module.eval()
        for layer, _ in norms:
            layer.train()
        module(_picture_like_noise(8, size, drawn))
        for layer, momentum in norms:
            layer.eval().momentum = momentum


def _picture_like_noise(count: int, size: tuple[int, int], drawn: torch.Generator) -> Tensor:
    """Noise with as much contrast at every scale, as photographs have; white noise has it between neighbours alone.

    Source: Field, Relations between the statistics of natural images and the response properties of cortical cells
    (1987): amplitude falls as one over the spatial frequency.

    Returns:
        [count, 3, H, W], float32, mean 0, deviation 1.
    """
    octaves = range(max(size).bit_length())
    layers = [torch.randn(count, 3, 2**octave, 2**octave, generator=drawn) for octave in octaves]
    grown = [nn.functional.interpolate(layer, size, mode="bilinear", align_corners=False) for layer in layers]
    noise = torch.stack(grown).sum(0)
    return (noise - noise.mean()) / noise.std()


def seed_of(reference: str) -> int:
    """The seed of a `random://SEED` reference. Raises InvalidDeclaration."""
    try:
        return read_whole_number(reference.removeprefix(RANDOM))
    except InvalidInput as error:
        raise InvalidDeclaration(f"weights '{reference}': {error}, as in random://0") from None


def _from_torchvision(name: str, architecture: str) -> Mapping[str, Tensor]:
    import torchvision  # here: it takes as long as torch to import, and few references need it

    try:
        weights = torchvision.models.get_model_weights(architecture)[name]
    except (KeyError, ValueError) as error:
        raise InvalidDeclaration(f"torchvision has no weights '{name}' for architecture '{architecture}'") from error
    try:
        state: Mapping[str, Tensor] = weights.get_state_dict(progress=True, check_hash=True)
    except OSError as error:
        raise Unavailable(
            f"{TORCHVISION}{name}: cannot download {weights.url}: {error}; "
            "fetch it where there is a network, or declare file:// or random:// weights"
        ) from error
    return state


def _from_checkpoint(weights: FetchedWeights) -> Mapping[str, Tensor]:
    """The port's checkpoint, by our names; of a pickle tensors alone are read."""
    try:
        checkpoint = torch.load(io.BytesIO(weights.stored), weights_only=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError) as error:
        raise InvalidDeclaration(
            f"weights '{weights.reference}' are a Darknet network's, which no architecture takes"
        ) from error
    return efficientnet_lite.renamed(checkpoint)


def _check(module: nn.Module, tensors: Mapping[str, Tensor], reference: str) -> None:
    own = module.state_dict()
    faults = [f"'{name}' is missing" for name in own.keys() - tensors.keys()]
    faults += [f"'{name}' belongs to no layer" for name in tensors.keys() - own.keys()]
    for name in own.keys() & tensors.keys():
        if own[name].shape != tensors[name].shape:
            faults.append(f"'{name}' is {list(tensors[name].shape)}, expected {list(own[name].shape)}")
        elif own[name].is_floating_point() and not tensors[name].is_floating_point():
            faults.append(f"'{name}' is {tensors[name].dtype}, expected {own[name].dtype}")
        elif tensors[name].is_floating_point() and not bool(torch.isfinite(tensors[name]).all()):
            faults.append(f"'{name}' holds NaN or infinity")
    if faults:
        more = f" and {len(faults) - 5} more" if len(faults) > 5 else ""
        raise InvalidWeights(f"{reference} does not fit: {'; '.join(sorted(faults)[:5])}{more}")
