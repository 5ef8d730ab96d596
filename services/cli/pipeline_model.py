"""Which model a pipeline is of, and where it is cut: what a user types -> a model file and cuts."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from services.edge.errors import InvalidInput
from services.zoo.catalog import default_catalog
from services.zoo.cuts import Cut, CutGraph
from services.zoo.model_file import ModelFile, program_file, read_model_file, with_weights

DEFAULT_STAGES = 4


@dataclass(frozen=True)
class Chosen:
    """Where to cut: at layers, or into a number of stages that cost alike.

    Attributes:
        names: of the stages, where the model file has them; else empty.
    """

    layers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    stages: int = DEFAULT_STAGES


def find_model(reference: str, weights: str | None) -> ModelFile:
    """Find a model by its name in the catalog, its model file, or its `.pt2` program.

    Raises:
        ModelNotFound, InvalidDeclaration, InvalidInput: no such model, or weights that are none.
    """
    path = Path(reference)
    if path.suffix == ".pt2":
        declared = program_file(path, _picture_size(path))
    elif path.suffix in (".yaml", ".yml"):
        declared = read_model_file(path)
    else:
        declared = default_catalog(os.environ).model(reference)
    return with_weights(declared, weights) if weights else declared


def choose(model_file: ModelFile, stages: int | None, at: Sequence[str]) -> Chosen:
    """Choose by what the user says, else by what the model file says, else four stages.

    Raises:
        InvalidInput: both a number and layers.
    """
    if stages and at:
        raise InvalidInput("--stages and --at exclude each other: a number of stages, or the layers to cut at")
    if at:
        return Chosen(layers=tuple(at))
    if stages:
        return Chosen(stages=stages)
    if model_file.stages:
        layers = tuple(layer for layer in model_file.stages.values() if layer)
        return Chosen(layers=layers, names=tuple(model_file.stages))
    return Chosen()


def _picture_size(path: Path) -> tuple[int, int]:
    from services.zoo.compile import load_program
    from services.zoo.cuts import picture_size

    return picture_size(load_program(program_file(path, (1, 1))))


def find_layers(chosen: Chosen, graph: CutGraph) -> tuple[Cut, ...]:
    """Find the cuts that are named. Raises InvalidInput: a layer that is none, or no place to cut at."""
    return tuple(graph.cut_at(layer) for layer in chosen.layers)
