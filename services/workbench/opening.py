"""From what a user names - a file, a zoo model, a Darknet network - to a model on the workbench."""

from pathlib import Path

import torch

from services.edge.errors import ArtifactNotFound, InvalidInput, ModelNotFound
from services.workbench.engine_file import SUFFIX, read_model
from services.workbench.model import Model
from services.zoo.catalog import Catalog
from services.zoo.compile import load_module
from services.zoo.darknet import networks
from services.zoo.darknet.build import build_model, load_model
from services.zoo.darknet.cfg import parse_cfg, write_cfg
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.weights import read_weights
from services.zoo.exported import graph_of
from services.zoo.manifest import InputSpec
from services.zoo.model_file import ModelFile

_IMAGENET = InputSpec((224, 224), 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear")
_ARCHITECTURES = {"resnet-18": "resnet18", "vgg-16": "vgg16"}
"""Models the zoo's catalog does not serve, by torchvision's names."""
_RANDOM = "random://0"


def open_model(reference: str, catalog: Catalog, weights: str | None = None, size: int | None = None) -> Model:
    """Open a `.strata` file, or a model by name.

    Args:
        weights: of a named model: `random://SEED`, `file://PATH`, `s3://...`, `torchvision://NAME`. By default those
            its model file names if they are files, else random ones: nothing is downloaded unasked.
        size: of a Darknet network's square input in pixels; its own by default.
    Raises:
        ModelNotFound: neither a file nor a name.
        InvalidInput, ArtifactNotFound, InvalidWeights: weights or size that do not fit, or are not there.
    """
    if reference.endswith(SUFFIX) or Path(reference).is_file():
        if weights or size:
            raise InvalidInput(f"{reference} brings its own weights and size; leave out --weights and --size")
        return read_model(Path(reference))
    if reference in networks.NAMES:
        return _darknet(reference, weights, size)
    if size:
        raise InvalidInput(f"--size is for Darknet networks; {reference!r} is not one")
    return _torch_model(reference, catalog, weights)


def import_darknet(cfg: Path, weights: Path, labels: tuple[str, ...] = ()) -> Model:
    """Read a Darknet model. Raises InvalidDeclaration and InvalidWeights: see `load_model`."""
    graph = load_model(cfg, weights).graph
    return Model(cfg.stem, graph, labels, None, f"{cfg.name} and {weights.name}", trained=True)


def known_names(catalog: Catalog) -> list[str]:
    """Every name `open_model` takes."""
    return sorted({*catalog.names(), *networks.NAMES, *_ARCHITECTURES})


def _darknet(name: str, weights: str | None, size: int | None) -> Model:
    network = read_network(parse_cfg(write_cfg(networks.describe(name, size=size)), f"{name}.cfg"))
    reference = weights or _RANDOM
    if reference.startswith("random://"):
        graph = build_model(network, random_weights(network, _seed(reference))).graph
        return Model(name, graph, (), None, reference, trained=False)
    path = Path(reference.removeprefix("file://"))
    if not path.is_file():
        raise ArtifactNotFound(f"{path}: no such weights file")
    return Model(name, build_model(network, read_weights(path, network)).graph, (), None, reference, trained=True)


def _torch_model(name: str, catalog: Catalog, weights: str | None) -> Model:
    if name in _ARCHITECTURES:
        declared = ModelFile(name=name, architecture=_ARCHITECTURES[name], weights=_RANDOM, folder=Path())
    elif name in catalog.names():
        declared = catalog.model(name)
    else:
        raise ModelNotFound(f"no file and no model {name!r}; by name there are: {', '.join(known_names(catalog))}")
    own = declared.weights if declared.weights.startswith(("file://", "s3://", "random://")) else _RANDOM
    declared = _with_weights(declared, weights or own)
    spec = declared.input.spec() if name not in _ARCHITECTURES else _IMAGENET
    module = load_module(declared)
    with torch.no_grad():
        graph = graph_of(module, torch.zeros(1, 3, *spec.size))
    return Model(name, graph, declared.label_names(), spec, declared.weights, not declared.weights.startswith("random"))


def _with_weights(declared: ModelFile, weights: str) -> ModelFile:
    """The same declaration with other weights, checked anew."""
    return ModelFile.model_validate({**declared.model_dump(), "weights": weights})


def _seed(reference: str) -> int:
    seed = reference.removeprefix("random://")
    if not seed.isdigit():
        raise InvalidInput(f"{reference}: a seed is a whole number, as in random://0")
    return int(seed)
