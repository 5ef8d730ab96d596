"""Vectors of ONNX Runtime's integer operators, which share no code with ours.

    python -m tests.golden.quant.onnx_vectors

writes onnx.json anew.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array: TypeAlias = NDArray[Any]

FILE = Path(__file__).with_name("onnx.json")
_OPSET = 19
_IR_VERSION = 10
_TYPES = {"float32": TensorProto.FLOAT, "uint8": TensorProto.UINT8, "int8": TensorProto.INT8}


def run_operator(operator: str, output_type: str, inputs: Mapping[str, Array], **attributes: Any) -> Array:
    """One ONNX operator on constants, by ONNX Runtime without any graph optimisation."""
    initializers = [numpy_helper.from_array(value, name) for name, value in inputs.items()]
    node = helper.make_node(operator, list(inputs), ["y"], **attributes)
    output = helper.make_tensor_value_info("y", _TYPES[output_type], None)
    graph = helper.make_graph([node], operator, [], [output], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", _OPSET)], ir_version=_IR_VERSION)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {})
    result: Array = found
    return result


def quantise_codes(case: Mapping[str, Any]) -> Array:
    """uint8 codes of a case's values."""
    inputs: dict[str, Array] = {
        "x": np.array(case["values"], np.float32),
        "scale": np.asarray(np.float32(case["scale"])),
        "zero_point": np.asarray(np.uint8(case["zero_point"])),
    }
    return run_operator("QuantizeLinear", "uint8", inputs)


def dequantised_values(case: Mapping[str, Any]) -> Array:
    """float32 values of all 256 codes."""
    inputs: dict[str, Array] = {
        "x": np.arange(256, dtype=np.uint8),
        "scale": np.asarray(np.float32(case["scale"])),
        "zero_point": np.asarray(np.uint8(case["zero_point"])),
    }
    return run_operator("DequantizeLinear", "float32", inputs)


def weight_codes(case: Mapping[str, Any]) -> Array:
    """int8 codes of a case's weight [O, I, H, W] under one scale a channel, or one scale."""
    scale = np.array(case["scale"], np.float32)
    inputs: dict[str, Array] = {
        "x": np.array(case["weight"], np.float32),
        "scale": scale if len(scale) > 1 else scale.reshape(()),
        "zero_point": np.zeros(scale.shape if len(scale) > 1 else (), np.int8),
    }
    return run_operator("QuantizeLinear", "int8", inputs, **({"axis": 0} if len(scale) > 1 else {}))


def bias_values(case: Mapping[str, Any]) -> Array:
    """float32 biases that a case's int32 codes stand for."""
    scale = np.array(case["scale"], np.float32) * np.float32(case["x_scale"])
    inputs = {"x": np.array(case["bias_codes"], np.int32), "scale": scale}
    return run_operator("DequantizeLinear", "float32", inputs, axis=0)


def layer_codes(case: Mapping[str, Any]) -> Array:
    """uint8 codes that a convolution of a case's codes gives.

    The weights go in as uint8 about 128: beside int8 ones, ONNX Runtime saturates sums on processors without VNNI.
    """
    scale = np.array(case["scale"], np.float32)
    inputs: dict[str, Array] = {
        "x": np.array(case["x_codes"], np.uint8),
        "x_scale": np.asarray(np.float32(case["x_scale"])),
        "x_zero_point": np.asarray(np.uint8(case["x_zero_point"])),
        "w": (np.array(case["weight_codes"], np.int16) + 128).astype(np.uint8),
        "w_scale": scale,
        "w_zero_point": np.full(scale.shape, 128, np.uint8),
        "y_scale": np.asarray(np.float32(case["y_scale"])),
        "y_zero_point": np.asarray(np.uint8(case["y_zero_point"])),
        "b": np.array(case["bias_codes"], np.int32),
    }
    pad = case["padding"]
    return run_operator(
        "QLinearConv", "uint8", inputs, pads=[pad] * 4, strides=[case["stride"]] * 2, group=case["groups"]
    )


def make_vectors() -> dict[str, Any]:
    """All cases, each with what ONNX Runtime gives for it."""
    rng = np.random.default_rng(0)
    codings = []
    for scale, zero_point in ((0.0625, 128), (0.0173, 3), (1.9e-4, 255), (2.5, 0)):
        values = rng.uniform(-1.2 * zero_point - 4, 1.2 * (255 - zero_point) + 4, 48) * scale
        ties = (np.arange(-4, 5) + 0.5) * scale
        case: dict[str, Any] = {
            "scale": scale,
            "zero_point": zero_point,
            "values": _floats([*values, *ties, 0.0, 1e9, -1e9]),
        }
        codings.append(case | {"codes": quantise_codes(case).tolist(), "decoded": _floats(dequantised_values(case))})
    weights, layers = [], []
    for groups, kernel, stride, padding, per_channel in ((1, 3, 1, 1, True), (4, 3, 2, 1, True), (1, 1, 1, 0, False)):
        weight = rng.normal(0, 0.1, (8, 4 // groups, kernel, kernel)) * rng.uniform(0.2, 3, (8, 1, 1, 1))
        reach = np.abs(weight).reshape(8, -1).max(1) if per_channel else np.abs(weight).max()[None]
        case = {"weight": _floats(weight), "scale": _floats(reach / 127)}
        codes = weight_codes(case)
        scale = _floats(np.broadcast_to(reach / 127, 8))
        bias = rng.normal(0, 0.3, 8)
        layer: dict[str, Any] = {
            "x_codes": rng.integers(0, 256, (1, 4, 7, 7)).tolist(),
            "x_scale": 0.021,
            "x_zero_point": 117,
            "weight_codes": codes.tolist(),
            "scale": scale,
            "bias": _floats(bias),
            "bias_codes": np.rint(bias / (0.021 * np.array(scale, np.float32).astype(np.float64))).astype(int).tolist(),
            "y_scale": 0.05,
            "y_zero_point": 125,
            "stride": stride,
            "padding": padding,
            "groups": groups,
        }
        weights.append(case | {"codes": codes.tolist()})
        layers.append(layer | {"codes": layer_codes(layer).tolist(), "decoded_bias": _floats(bias_values(layer))})
    return {
        "origin": f"ONNX Runtime {onnxruntime.__version__}, CPU, graph optimisation off: QuantizeLinear, "
        "DequantizeLinear, QLinearConv of opset 19; made by onnx_vectors.py",
        "tolerance": "codes: equal, but for one step where the exact value lies within 2^-10 of the middle between "
        "two codes (ours multiplies by 1 / scale, theirs divides); decoded values: 0; decoded biases: 1e-6 relative",
        "codings": codings,
        "weights": weights,
        "layers": layers,
    }


def _floats(values: Any) -> Any:
    """As float32, so that JSON gives back the very same numbers."""
    return np.asarray(values, np.float32).tolist()


if __name__ == "__main__":
    FILE.write_text(json.dumps(make_vectors()) + "\n")
