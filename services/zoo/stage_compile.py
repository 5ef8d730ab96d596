"""Stages of a model in the cache; compiled where they are not there. Without torch as far as they are there."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from services.edge.errors import Unsupported
from services.edge.progress import Progress, no_progress
from services.zoo.compiled import digest_of, made_once
from services.zoo.model_file import FLOAT, ModelFile
from services.zoo.weight_references import fetch_weights

_BALANCE = 3
"""Counts the ways in which `balance` has chosen cuts: stages that an earlier one chose are another chain."""


@dataclass(frozen=True)
class Cutting:
    """How to cut: after `layers`; where none are named, into `stages` stages that cost alike.

    Attributes:
        names: of the stages, where they have any.
    """

    layers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    stages: int = 4


def undivided(name: str) -> Unsupported:
    """What to raise where a Darknet network, or a detector, is to be cut."""
    return Unsupported(
        f"model '{name}': Darknet's networks and detectors are served whole, and not in stages; serve it by a model "
        "file of its own (docs/models.md, Detectors)"
    )


def compile_stages(
    model_file: ModelFile, cutting: Cutting, cache: Path, runtime: str, progress: Progress = no_progress
) -> list[Path]:
    """Compile a model's stages, or find them compiled, and return the folder of each, in their order.

    Args:
        runtime: of each stage; `auto` keeps the fastest of each.
    Raises:
        InvalidInput: a place where the model cannot be cut.
        Unsupported: a Darknet network or a detector; a runtime cannot run a stage, or its values differ from torch's,
            or its codes from the engine's.
        what `load_module` and `declared_engine` raise.
        Unavailable: the cache cannot be written.
    """
    if model_file.is_undivided:
        raise undivided(model_file.name)
    weights = fetch_weights(model_file.weights, model_file.folder)
    content = [digest_of(model_file, weights, runtime), cutting.layers or (_BALANCE, cutting.stages), cutting.names]
    chain = hashlib.sha256(repr(content).encode()).hexdigest()[:12]

    def make(made: Path) -> None:
        from services.zoo.integer_stages import IntegerStages
        from services.zoo.stage_programs import StagePrograms

        stages = StagePrograms if model_file.precision == FLOAT else IntegerStages
        stages(model_file, weights, cutting, chain, runtime, progress).into(made)

    whole = made_once(cache / f"{model_file.name}-stages-{chain}", make)
    return sorted(whole.iterdir(), key=lambda folder: int(folder.name.partition("-")[0]))
