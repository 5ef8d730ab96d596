"""Train the three narrow models on Fashion-MNIST, or those that are named.

    python -m examples.fashion.train [MODEL...] --threads 2

A model's file in `models/` says what is trained and how pictures reach it; the table below says how. Same seed, torch
and number of threads: nearly the same weights.
"""

import argparse
import time
from dataclasses import dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from safetensors.torch import save
from torch import Tensor, nn
from torchvision.ops import StochasticDepth

from examples.fashion.augmentation import erase, flip_and_shift
from examples.fashion.dataset import FOLDER, Pictures, as_decoded, read_training
from services.zoo.architectures import build
from services.zoo.manifest import InputSpec
from services.zoo.model_file import ModelFile, read_model_file
from services.zoo.preprocessing import preprocess

HERE = Path(__file__).parent
_BATCH = 128
_WEIGHT_DECAY = 0.02
_LABEL_SMOOTHING = 0.05


@dataclass(frozen=True)
class Recipe:
    """How one model is trained. They differ so that the models err differently.

    Attributes:
        peak_rate: of AdamW; one cycle up to it and down to zero.
        shift: pixels, see `flip_and_shift`.
        erased: share of pictures, see `erase`.
    """

    seed: int
    epochs: int
    peak_rate: float
    shift: int
    erased: float


RECIPES = {
    "fashion-efficientnet-b0": Recipe(seed=1, epochs=6, peak_rate=5e-3, shift=1, erased=0.0),
    "fashion-mobilenet-v2": Recipe(seed=2, epochs=7, peak_rate=5e-3, shift=2, erased=0.0),
    "fashion-nasnet-a-mobile": Recipe(seed=3, epochs=5, peak_rate=5e-3, shift=1, erased=0.2),
}


def train(model_file: ModelFile, recipe: Recipe, training: Pictures, validation: Pictures) -> nn.Module:
    """Train from random weights, printing loss and validation accuracy after each epoch."""
    torch.manual_seed(recipe.seed)
    generator = torch.Generator().manual_seed(recipe.seed)
    assert model_file.architecture
    module: nn.Module = build(model_file.architecture, len(model_file.label_names()), **model_file.parameters)
    module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    for layer in module.modules():
        if isinstance(layer, StochasticDepth):
            layer.p = 0.0  # meant for hundreds of epochs; in a few it only keeps a narrow model from learning
    steps = recipe.epochs * (len(training.classes) // _BATCH)
    optimizer = torch.optim.AdamW(module.parameters(), weight_decay=_WEIGHT_DECAY)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, recipe.peak_rate, total_steps=steps, pct_start=0.2)
    spec = model_file.input.spec()
    began = time.monotonic()
    for epoch in range(recipe.epochs):
        module.train()
        total_loss = 0.0
        order = torch.randperm(len(training.classes), generator=generator)
        batches = order[: len(order) // _BATCH * _BATCH].view(-1, _BATCH)
        for chosen in batches:
            grey = flip_and_shift(training.grey[chosen], recipe.shift, generator)
            if recipe.erased:
                grey = erase(grey, recipe.erased, generator)
            classes = training.classes[chosen]
            scores = module(_images(grey, spec))
            loss = F.cross_entropy(scores, classes, label_smoothing=_LABEL_SMOOTHING)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
            total_loss += loss.item()
        accuracy = float((predict(module, validation.grey, spec).argmax(1) == validation.classes).double().mean())
        print(
            f"{model_file.name}  epoch {epoch + 1}/{recipe.epochs}  loss {total_loss / len(batches):.3f}  "
            f"validation {accuracy:.4f}  {time.monotonic() - began:.0f} s",
            flush=True,
        )
    return module


def predict(module: nn.Module, grey: Tensor, spec: InputSpec) -> Tensor:
    """Return the scores [N, K] that the model gives for uint8 [N, 1, H, W] when it serves."""
    # Pictures come with their channels last: weights of another order would be turned for every batch.
    module.eval().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    with torch.inference_mode():
        return torch.cat([module(_images(part, spec)) for part in torch.split(grey, 500)])


def _images(grey: Tensor, spec: InputSpec) -> Tensor:
    prepared = torch.stack([preprocess(picture, spec) for picture in as_decoded(grey)])
    return prepared.contiguous(memory_format=torch.channels_last)


def model_files() -> dict[str, ModelFile]:
    """Read the files in `models/`; by name."""
    return {file.name: file for file in map(read_model_file, sorted((HERE / "models").glob("*.yaml")))}


def main() -> None:
    parser = argparse.ArgumentParser(description="Train the example models on Fashion-MNIST.")
    parser.add_argument("models", nargs="*", metavar="MODEL", help=f"of {', '.join(RECIPES)}; all where none is named")
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--output", type=Path, default=HERE / "models", help="folder for the safetensors")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    training, validation = read_training(arguments.data)
    files = model_files()
    for name in arguments.models or RECIPES:
        model_file = files[name]
        module = train(model_file, RECIPES[name], training, validation)
        state = {key: value.contiguous() for key, value in module.state_dict().items()}
        (arguments.output / f"{model_file.architecture}.safetensors").write_bytes(save(state))


if __name__ == "__main__":
    main()
