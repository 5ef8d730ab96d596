"""Shapes that are worked out are those that running gives."""

import pytest
import torch

from quant.activation import Activation
from quant.operations import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Mul,
    Operation,
    Pad,
    Region,
    Reorg,
    Slice,
    Softmax,
    Upsample,
    Yolo,
)
from services.workbench.graph_check import Shape, shape_after

X = (8, 6, 4)
CONV = Conv2d(torch.ones(6, 4, 3, 2), torch.zeros(6), (2, 1), (1, 3), (2, 3), 2)


@pytest.mark.parametrize(
    ("operation", "inputs"),
    [
        (CONV, [X]),
        (CONV, [X, (6, 2, 7)]),
        (Linear(torch.ones(3, 8), torch.zeros(3)), [(8,)]),
        (BatchNorm(torch.ones(8), torch.zeros(8)), [X]),
        (BatchNorm(torch.ones(8), torch.zeros(8)), [(8,)]),
        (MaxPool((3, 2), (2, 3), (1, 0, 2, 1)), [X]),
        (AvgPool((2, 3), (2, 1), (0, 1, 1, 0)), [X]),
        (GlobalAvgPool(), [X]),
        (Add(), [X, X, X]),
        (Mul(), [X, (8, 1, 1)]),
        (Mul(), [X, X]),
        (Concat(), [X, (3, 6, 4)]),
        (Concat(), [(8,), (2,)]),
        (Slice(2, 7), [X]),
        (Upsample(3), [X]),
        (Reorg(2), [X]),
        (Pad((1, 2, -1, 3)), [X]),
        (Activate(Activation.MISH), [X]),
        (Flatten(), [X]),
        (Softmax(), [(8,)]),
        (Yolo(3, ((1.0, 2.0),)), [X]),
        (Region(3, ((1.0, 2.0),)), [X]),
    ],
    ids=lambda part: type(part).__name__,
)
def test_a_shape_is_as_running_gives_it(operation: Operation, inputs: list[Shape]) -> None:
    ran = operation.run(*(torch.rand(1, *shape) for shape in inputs))
    assert shape_after(operation, inputs) == tuple(ran.shape[1:])


@pytest.mark.parametrize(
    ("operation", "inputs"),
    [
        (CONV, [(6, 6, 4)]),
        (CONV, [(8,)]),
        (CONV, [X, (6, 2, 6)]),
        (Linear(torch.ones(3, 8), torch.zeros(3)), [X]),
        (BatchNorm(torch.ones(7), torch.zeros(7)), [X]),
        (Add(), [X, (8, 1, 1)]),
        (Mul(), [X, (8, 6, 1)]),
        (Mul(), [(8,), (8, 1, 1)]),
        (MaxPool((3, 2), (1, 1), (2, 0, 0, 0)), [X]),
        (AvgPool((3, 2), (1, 1), (0, 0, 0, 3)), [X]),
        (Concat(), [X, (8, 6, 5)]),
        (Slice(2, 9), [X]),
        (Slice(-2, 7), [X]),
        (Upsample(2), [(8,)]),
        (Reorg(3), [X]),
        (Yolo(3, ((1.0, 2.0), (2.0, 3.0))), [X]),
        (Region(2, ((1.0, 2.0),)), [X]),
    ],
    ids=lambda part: type(part).__name__,
)
def test_what_does_not_fit_has_no_shape(operation: Operation, inputs: list[Shape]) -> None:
    assert shape_after(operation, inputs) is None
