"""Integer programs on processors that add up 8-bit products inexactly: the right sums or a refusal, never others."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from quant.cpu import this_cpu
from services.edge.errors import InvalidWeights
from services.zoo.runtimes.openvino_package import openvino
from services.zoo.serving import load_forward

CHANNELS = 64


def program_of(code: int) -> onnx.ModelProto:
    """A convolution of codes at their limits, where neighbouring products go beyond 16 bits."""
    highest = np.float32(255 * code * CHANNELS)
    constants = {
        "scale": np.float32(1),
        "zero_point": np.uint8(0),
        "weights": np.full((CHANNELS, CHANNELS, 1, 1), code, np.int8),
        "weight_scale": np.ones(CHANNELS, np.float32),
        "weight_zero_point": np.zeros(CHANNELS, np.int8),
        "sum_scale": np.float32(highest / 255),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero_point"], ["codes"]),
        helper.make_node("DequantizeLinear", ["codes", "scale", "zero_point"], ["values"]),
        helper.make_node("DequantizeLinear", ["weights", "weight_scale", "weight_zero_point"], ["floats"], axis=0),
        helper.make_node("Conv", ["values", "floats"], ["sums"]),
        helper.make_node("QuantizeLinear", ["sums", "sum_scale", "zero_point"], ["sum_codes"]),
        helper.make_node("DequantizeLinear", ["sum_codes", "sum_scale", "zero_point"], ["y"]),
    ]
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, CHANNELS, 4, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    initializers = [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()]
    graph = helper.make_graph(nodes, "sums", [x], [y], initializers)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 19)], ir_version=10)


def largest_share(runtime: str, folder: Path, code: int) -> float:
    """The largest sum over the right one."""
    program = program_of(code)
    onnx.save(program, folder / "model.onnx")
    openvino.save_model(openvino.Core().read_model(program.SerializeToString()), folder / "model.xml")
    found = load_forward(runtime, folder, 1)(np.full((1, CHANNELS, 4, 4), 255, np.float32))
    return float(found.max() / (255 * code * CHANNELS))


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_weights_of_seven_bits_are_summed_exactly(runtime: str, tmp_path: Path) -> None:
    assert largest_share(runtime, tmp_path, 63) == pytest.approx(1, rel=1e-6)


def test_weights_of_eight_bits_are_summed_exactly_in_onnxruntime(tmp_path: Path) -> None:
    assert largest_share("onnxruntime", tmp_path, 127) == pytest.approx(1, rel=1e-6)


def test_weights_of_eight_bits_are_summed_exactly_in_openvino_or_refused(tmp_path: Path) -> None:
    if this_cpu().exact_8_bit:
        assert largest_share("openvino", tmp_path, 127) == pytest.approx(1, rel=1e-6)
        return
    with pytest.raises(InvalidWeights, match="compile it anew: this processor adds up its 8-bit products inexactly"):
        largest_share("openvino", tmp_path, 127)
