"""An ONNX program made plain: for one picture, what does not depend on it worked out, every shape known."""

import tempfile
from pathlib import Path

import onnx
import onnxruntime
from onnx import TensorProto, shape_inference

from services.edge.errors import InvalidDeclaration, Unsupported

OLDEST_OPSET, NEWEST_OPSET = 9, 23
_CONTROL_FLOW = ("If", "Loop", "Scan")
_BETWEEN_CODES = ("QuantizeLinear", "DequantizeLinear")
_OWN_DOMAIN = ("", "ai.onnx")
"""ONNX's own, by both of its names."""
_NARROW = {TensorProto.FLOAT16: "float16", TensorProto.BFLOAT16: "bfloat16", TensorProto.DOUBLE: "float64"}


def prepare(program: onnx.ModelProto, file: str) -> onnx.ModelProto:
    """The same program for N = 1, by ONNX Runtime's basic optimisation: it keeps to ONNX's own operators.

    Args:
        program: of one float32 input.
        file: names it in errors.
    Raises:
        InvalidDeclaration: pictures whose size is left open or not of three channels, or several at once and no other
            number.
        Unsupported: integers, control flow, operators of other domains, another opset, or weights that are not float32.
    """
    opset = opset_of(program)
    if not OLDEST_OPSET <= opset <= NEWEST_OPSET:
        raise Unsupported(
            f"{file}: opset {opset}; {OLDEST_OPSET} to {NEWEST_OPSET} are read: export it anew with one of them"
        )
    for node in program.graph.node:
        if node.op_type in _BETWEEN_CODES:
            raise Unsupported(
                f"{file}: node '{node.name}' ({node.op_type}) is of a program in integers; take the one in float32, "
                "and choose its scales here"
            )
        if node.op_type in _CONTROL_FLOW:
            raise Unsupported(
                f"{file}: node '{node.name}' is control flow ({node.op_type}), which a graph does not have"
            )
        if node.domain not in _OWN_DOMAIN:
            raise Unsupported(
                f"{file}: node '{node.name}' is {node.domain}.{node.op_type}, which is not one of ONNX's own"
            )
    for tensor in program.graph.initializer:
        if narrow := _NARROW.get(tensor.data_type):
            raise Unsupported(f"{file}: weight '{tensor.name}' is {narrow}; export the model in float32")
    plain = onnx.ModelProto()
    plain.CopyFrom(program)
    _fix_pictures(plain, file)
    return shape_inference.infer_shapes(_optimised(plain, file), strict_mode=True)


def opset_of(program: onnx.ModelProto) -> int:
    """The version of ONNX's own operators; 0 where the program names none."""
    return max((each.version for each in program.opset_import if each.domain in _OWN_DOMAIN), default=0)


def _fix_pictures(program: onnx.ModelProto, file: str) -> None:
    """Let the input be one picture of three channels; its sides must be numbers, and how many there are open, or 1."""
    weights = {tensor.name for tensor in program.graph.initializer}
    (image,) = (each for each in program.graph.input if each.name not in weights)
    sides = image.type.tensor_type.shape.dim
    fits = len(sides) == 4 and sides[0].dim_value <= 1 and sides[1].dim_value == 3
    if not fits or not all(side.dim_value for side in sides[2:]):
        found = ", ".join(side.dim_param or str(side.dim_value) for side in sides)
        raise InvalidDeclaration(
            f"{file}: takes [{found}]; export it for [N, 3, H, W] with height and width as numbers"
        )
    sides[0].dim_value = 1
    for output in program.graph.output:
        output.type.tensor_type.ClearField("shape")


def _optimised(program: onnx.ModelProto, file: str) -> onnx.ModelProto:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 3
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "plain.onnx"
        options.optimized_model_filepath = str(path)
        try:
            onnxruntime.InferenceSession(program.SerializeToString(), options, providers=["CPUExecutionProvider"])
        except Exception as error:
            # ONNX Runtime raises kinds of its own; all mean that it does not take the program.
            raise Unsupported(f"{file}: ONNX Runtime does not take it: {str(error).partition(chr(10))[0]}") from error
        return onnx.load(path)
