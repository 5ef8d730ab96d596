"""Codes, biases and whole integer layers against ONNX Runtime, and codes against torch's own quantisation."""

import json
import warnings
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from quant.affine import QParams, Quantised, dequantise, quantise
from quant.engine import Engine
from quant.graph import INPUT, Graph, Layer
from quant.operations import Conv2d
from quant.precision import Mode, uniform_plan
from quant.reference import TIE
from quant.scales import Calibration, IntegerWeights, quantise_weights
from tests.golden.quant import onnx_vectors

GOLDEN: dict[str, Any] = json.loads(onnx_vectors.FILE.read_text())
CODINGS, WEIGHTS, LAYERS = GOLDEN["codings"], GOLDEN["weights"], GOLDEN["layers"]


def assert_same_codes(found: Tensor, expected: Any, exact: Tensor) -> None:
    """Equal, but for one step where `exact`, the value in codes before rounding, is as good as in the middle."""
    wanted = torch.tensor(expected, dtype=torch.float64)
    step = (found.double() - wanted).abs()
    from_middle = ((exact - exact.floor()) - 0.5).abs()
    assert found.shape == wanted.shape
    assert bool(((step == 0) | ((step == 1) & (from_middle <= TIE))).all())


def assert_reproduced(found: np.ndarray[Any, Any], stored: Any) -> None:
    np.testing.assert_array_equal(found, np.array(stored, found.dtype))


@pytest.mark.parametrize("case", CODINGS)
def test_codes_of_values_are_quantize_linears(case: dict[str, Any]) -> None:
    assert_reproduced(onnx_vectors.quantise_codes(case), case["codes"])
    x, qparams = torch.tensor(case["values"]), QParams(case["scale"], case["zero_point"])
    exact = (x.double() / qparams.scale + qparams.zero_point).clamp(0, 255)
    assert_same_codes(quantise(x, qparams), case["codes"], exact)


@pytest.mark.parametrize("case", CODINGS)
def test_codes_of_values_are_torchs(case: dict[str, Any]) -> None:
    x, qparams = torch.tensor(case["values"]), QParams(case["scale"], case["zero_point"])
    with warnings.catch_warnings():
        # torch is about to remove its quantised tensors; until then they are a peer like another.
        warnings.simplefilter("ignore")
        theirs = torch.quantize_per_tensor(x, qparams.scale, qparams.zero_point, torch.quint8)
    exact = (x.double() / qparams.scale + qparams.zero_point).clamp(0, 255)
    assert_same_codes(quantise(x, qparams), theirs.int_repr().tolist(), exact)
    assert torch.equal(dequantise(theirs.int_repr(), qparams), theirs.dequantize())


@pytest.mark.parametrize("case", CODINGS)
def test_values_of_codes_are_dequantize_linears_bit_for_bit(case: dict[str, Any]) -> None:
    assert_reproduced(onnx_vectors.dequantised_values(case), case["decoded"])
    qparams = QParams(float(np.float32(case["scale"])), case["zero_point"])
    found = dequantise(torch.arange(256, dtype=torch.uint8), qparams)
    assert torch.equal(found, torch.tensor(case["decoded"]))


@pytest.mark.parametrize("case", WEIGHTS)
def test_weight_codes_are_quantize_linears_per_channel_and_per_tensor(case: dict[str, Any]) -> None:
    assert_reproduced(onnx_vectors.weight_codes(case), case["codes"])
    weight, scale = torch.tensor(case["weight"]), torch.tensor(case["scale"])
    found = quantise_weights(Conv2d(weight, torch.zeros(len(weight))), scale, x_scale=0.02)
    exact = weight.double() / scale.double().view(-1, 1, 1, 1)
    assert_same_codes(found.codes, case["codes"], exact)
    assert int(found.codes.abs().max()) == 127


@pytest.mark.parametrize("case", LAYERS)
def test_bias_codes_are_the_nearest_and_mean_what_dequantize_linear_says(case: dict[str, Any]) -> None:
    assert_reproduced(onnx_vectors.bias_values(case), case["decoded_bias"])
    codes = torch.tensor(case["weight_codes"], dtype=torch.float32)
    scale = torch.tensor(case["scale"])
    operation = Conv2d(codes * scale.view(-1, 1, 1, 1), torch.tensor(case["bias"]))
    found = quantise_weights(operation, scale, case["x_scale"])
    assert found.bias.tolist() == case["bias_codes"]
    torch.testing.assert_close(found.real_bias, torch.tensor(case["decoded_bias"]), rtol=1e-6, atol=0)


@pytest.mark.parametrize("case", LAYERS)
def test_an_integer_layer_gives_qlinearconvs_codes(case: dict[str, Any]) -> None:
    assert_reproduced(onnx_vectors.layer_codes(case), case["codes"])
    codes, scale = torch.tensor(case["weight_codes"], dtype=torch.int8), torch.tensor(case["scale"])
    bias = torch.tensor(case["bias_codes"], dtype=torch.int32)
    x = torch.tensor(case["x_codes"], dtype=torch.uint8)
    x_qparams = QParams(case["x_scale"], case["x_zero_point"])
    y_qparams = QParams(case["y_scale"], case["y_zero_point"])
    real_weight = codes * scale.view(-1, 1, 1, 1)
    conv = Conv2d(
        real_weight,
        torch.tensor(case["bias"]),
        stride=(case["stride"],) * 2,
        padding=(case["padding"],) * 2,
        groups=case["groups"],
    )
    # a second layer, so that the first one's value is kept as codes
    graph = Graph(
        (4, 7, 7),
        (Layer("conv", conv, (INPUT,)), Layer("next", Conv2d(torch.ones(1, 8, 1, 1), torch.zeros(1)), ("conv",))),
        ("next",),
    )
    weights = IntegerWeights(codes, scale, bias, case["x_scale"])
    following = quantise_weights(graph.layer("next").operation, torch.tensor([1 / 127]), y_qparams.scale)  # type: ignore[arg-type]
    calibration = Calibration(
        {INPUT: x_qparams, "conv": y_qparams, "next": QParams(1.0, 128)}, {"conv": weights, "next": following}
    )
    engine = Engine(graph, uniform_plan(graph, Mode.INT8), calibration)
    prepared = engine.layer("conv")
    found = prepared.run(Quantised(x, x_qparams))
    assert isinstance(found, Quantised)
    assert prepared.integer is not None
    ran = prepared.integer.weights  # 7-bit where the processor has no exact 8-bit product
    sums = conv_sums(x, x_qparams.zero_point, ran.codes, conv) + ran.bias.double().view(1, -1, 1, 1)
    ratio = case["x_scale"] * ran.scale.double() / case["y_scale"]
    exact = (sums * ratio.view(1, -1, 1, 1) + y_qparams.zero_point).clamp(0, 255)
    assert_same_codes(found.codes, case["codes"] if engine.cpu.exact_8_bit else exact.round().tolist(), exact)


def conv_sums(x: Tensor, zero_point: int, codes: Tensor, conv: Conv2d) -> Tensor:
    return torch.nn.functional.conv2d(
        x.double() - zero_point, codes.double(), None, conv.stride, conv.padding, groups=conv.groups
    )
