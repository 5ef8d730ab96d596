"""What a program's compiled forms are held to: its answers where it runs first, and how far rounding moves them."""

import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from onnx import ModelProto
from torch import nn

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
    random, moved = np.random.default_rng(0), []
    for _ in range(SHAKES):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / ONNX_FILE).write_bytes(shaken_onnx(program, random))
            moved.append(load(Path(folder))(shaken(images, random)))
    return Reference(runtime, scores, allowed_difference(scores, moved))
