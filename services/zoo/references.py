"""What compiled forms are held to: a program's first answers and how far rounding moves them; or an engine's codes."""

import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from onnx import ModelProto
from torch import nn

from services.edge.errors import Unsupported
from services.zoo.agreement import (
    SHAKES,
    Forward,
    Images,
    Reference,
    allowed_difference,
    demand_own_answers,
    demand_same_again,
    shaken,
)
from services.zoo.onnx_form.agreement import compare_codes
from services.zoo.onnx_form.part import EnginePart
from services.zoo.onnx_form.program import onnx_program
from services.zoo.onnx_form.runs import RUNS
from services.zoo.programs import shaken_onnx, shaken_weights
from services.zoo.runtimes.onnxruntime import FILE_NAME as ONNX_FILE


def reference_in_torch(forward: Forward, module: nn.Module, images: Images, scores: Images) -> Reference:
    """What a module itself answers; its exported form is one of those that are held to it.

    Args:
        forward: runs the module; `scores` is its answer to `images`.
    Raises:
        Unsupported: the answer is not each picture's own.
    """
    random, moved = np.random.default_rng(0), []
    demand_same_again(forward, images, scores)
    for _ in range(SHAKES):
        with shaken_weights(module, random):
            moved.append(forward(shaken(images, random)))
    allowed = allowed_difference(scores, moved)
    demand_own_answers(forward, images, scores, allowed)
    return Reference("torch", scores, allowed)


def reference_in_runtime(
    runtime: str, forward: Forward, program: ModelProto, images: Images, load: Callable[[Path], Forward]
) -> Reference:
    """What the first runtime that runs an ONNX program answers.

    Args:
        load: loads the program in that runtime out of a folder.
    Raises:
        Unsupported: the answers to the same pictures change.
    """
    scores = forward(images)
    demand_same_again(forward, images, scores)
    return Reference(runtime, scores, _allowed_in(program, images, scores, load))


def _allowed_in(program: ModelProto, images: Images, scores: Images, load: Callable[[Path], Forward]) -> float:
    """What rounding explains between two forms of an ONNX program whose answer is `scores`."""
    random, moved = np.random.default_rng(0), []
    for _ in range(SHAKES):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / ONNX_FILE).write_bytes(shaken_onnx(program, random))
            moved.append(load(Path(folder))(shaken(images, random)))
    return allowed_difference(scores, moved)


@dataclass(frozen=True, eq=False)
class EngineReference:
    """An engine of integers, or a part of one, and its scores [N, K]: forms are held to its codes, layer by layer."""

    part: EnginePart
    scores: Images

    def check(self, runtime: str, forward: Forward, scores: Images, images: Images) -> None:
        """Raises Unsupported where a runtime comes to other codes, or not to the same again."""
        watched = tuple(prepared.name for prepared in self.part.layers)
        found = RUNS[runtime](onnx_program(self.part, "strata", watched), images)
        errors = compare_codes(self.part, torch.from_numpy(images), found)
        if not errors.only_ties:
            raise Unsupported(
                f"{runtime} comes to other codes than the engine: {errors.differing} of {errors.codes} differ, "
                f"in layer '{errors.layer}' by {errors.largest}"
            )
        demand_same_again(forward, images, scores)


def reference_in_engine(
    part: EnginePart, program: ModelProto, images: Images, load: Callable[[Path], Forward]
) -> Reference | EngineReference:
    """What an engine, or a part of one, answers: in float its values, in integers its codes are what forms are held to.

    Args:
        program: the part's ONNX form; `load` loads one out of a folder.
    """
    scores = part.run(torch.from_numpy(images)).numpy()
    if any(prepared.integer is not None for prepared in part.layers) or any(part.engine.formats.values()):
        return EngineReference(part, scores)
    return Reference("the engine", scores, _allowed_in(program, images, scores, load))
