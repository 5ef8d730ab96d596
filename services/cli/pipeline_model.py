"""Which model a pipeline is of, and where it is cut: what a user types -> a model file and cuts."""

import os
from dataclasses import dataclass
from pathlib import Path

from services.edge.errors import InvalidInput
from services.zoo.catalog import default_catalog
from services.zoo.darknet import networks
from services.zoo.model_file import ModelFile, program_file, read_model_file, with_weights
from services.zoo.stage_compile import Cutting, undivided


@dataclass(frozen=True)
class ChainWanted:
    """What a user says of a model and of its stages; `stages` and `at` exclude each other."""

    model: str
    weights: str | None
    stages: int | None
    at: str
    runtime: str


def find_model(reference: str, weights: str | None) -> ModelFile:
    """Find a model by its name in the catalog, its model file, or its `.pt2` program.

    Raises:
        ModelNotFound, InvalidDeclaration, InvalidInput: no such model, or weights that are none.
        Unsupported: a Darknet network or a detector, which has no stages.
    """
    path = Path(reference)
    if path.suffix == ".pt2":
        declared = program_file(path, _picture_size(path))
    elif path.suffix in (".yaml", ".yml"):
        declared = read_model_file(path)
    else:
        catalog = default_catalog(os.environ)
        if reference in networks.NAMES and reference not in catalog.names():
            raise undivided(reference)
        declared = catalog.model(reference)
    if declared.is_undivided:
        raise undivided(declared.name)
    return with_weights(declared, weights) if weights else declared


def choose_cutting(model_file: ModelFile, stages: int | None, at: str) -> Cutting:
    """Choose how to cut: by what the user says, else by what the model file says, else four stages.

    Raises:
        InvalidInput: both a number and layers.
    """
    if stages and at:
        raise InvalidInput("--stages and --at exclude each other: a number of stages, or the layers to cut at")
    if at:
        return Cutting(layers=tuple(name for name in at.split(",") if name))
    if stages:
        return Cutting(stages=stages)
    if model_file.stages:
        layers = tuple(layer for layer in model_file.stages.values() if layer)
        return Cutting(layers=layers, names=tuple(model_file.stages))
    return Cutting()


def _picture_size(path: Path) -> tuple[int, int]:
    from services.zoo.cuts import picture_size
    from services.zoo.programs import load_program
    from services.zoo.weight_references import fetch_weights

    declared = program_file(path, (1, 1))
    return picture_size(load_program(fetch_weights(declared.weights, declared.folder)))
