"""Codes that differ where the engine lies half way between two are ties; elsewhere a runtime is wrong."""

import numpy as np
import pytest

from quant.activation import Activation
from quant.affine import as_float
from quant.engine import Engine
from quant.precision import Mode
from services.zoo.onnx_form.agreement import FEW, Floats, compare_codes
from services.zoo.onnx_form.part import EnginePart
from tests.unit.zoo.onnx_form.graphs import engine_of, graph_of_steps, pictures

X = pictures(2, 9)
STEP = np.float32(1 / 255)
"""Of the hard sigmoid's codes: its values are 0 to 1, and a half, which it makes of 0, is 127.5 of them."""


@pytest.fixture(scope="module")
def engine() -> Engine:
    steps = (("sum", 0, Activation.HARDSIGMOID, 0), ("convolution", 0, Activation.NONE, 0))
    return engine_of(graph_of_steps(Activation.NONE, steps, "map"), Mode.INT8)


@pytest.fixture
def found(engine: Engine) -> dict[str, Floats]:
    return {prepared.name: as_float(value).numpy() for prepared, value in engine.values(X)}


def test_the_engines_own_values_agree(engine: Engine, found: dict[str, Floats]) -> None:
    errors = compare_codes(EnginePart(engine), X, found)
    assert (errors.differing, errors.ties, errors.largest) == (0, 0, 0)


def test_ties_are_ties_however_many_there_are(engine: Engine, found: dict[str, Floats]) -> None:
    zeros = found["first"] == 0
    nearest = np.rint(found["step0"] / STEP)
    found["step0"] = np.where(zeros, STEP * (255 - nearest), found["step0"])  # 127 for 128, and the reverse
    errors = compare_codes(EnginePart(engine), X, found)
    assert errors.differing == errors.ties == zeros.sum() > FEW * errors.codes
    assert errors.only_ties


@pytest.mark.parametrize("steps", [1, 2])
def test_what_differs_elsewhere_is_none(engine: Engine, found: dict[str, Floats], steps: int) -> None:
    found["step0"] = np.where(found["first"] != 0, np.abs(found["step0"] - steps * STEP), found["step0"])
    errors = compare_codes(EnginePart(engine), X, found)
    assert errors.largest == steps
    assert errors.ties < errors.differing / 2
    assert not errors.only_ties
