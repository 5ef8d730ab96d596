"""The whole program of an engine: what it runs in integers stands between codes, with the engine's own scales.

A runtime that knows the form (ONNX Runtime, OpenVINO) runs a layer between DequantizeLinear and QuantizeLinear with
integer kernels; any other runs it in float32 and comes to the same codes, up to rounding. A layer's value has the
layer's name, the codes it stands for are `NAME:codes`.
"""

import onnx
from onnx import TensorProto, helper

from quant.activation import Activation
from quant.affine import QParams
from quant.engine import Engine
from quant.graph import INPUT
from quant.kernels.prepared import PreparedLayer
from quant.operations import Weighted
from services.edge.errors import Unsupported
from services.zoo.onnx_form.operations import activation_of, write_activation, write_operation
from services.zoo.onnx_form.writer import CODES, OPSET, OnnxWriter

IR_VERSION = 9
"""Of the container that came with the opset."""
LARGEST_BYTES = 2**31 - 1
"""What a protobuf message may have."""


def onnx_program(engine: Engine, producer: str, watched: tuple[str, ...] = ()) -> onnx.ModelProto:
    """Write an engine's graph for any number of pictures.

    Args:
        producer: what made it, for those who read the file.
        watched: layers whose values are outputs too, after the graph's own.
    Returns:
        a program from `input`, float32 [N, C, H, W], to the graph's outputs by their names, float32.
    Raises:
        Unsupported: more than a protobuf message may have.
    """
    graph, write = engine.graph, OnnxWriter()
    names = {INPUT: INPUT} | {layer.name: layer.name for layer in graph.layers}
    if (stored := engine.formats[INPUT]) is not None:
        names[INPUT] = write.coded_input(INPUT, stored)
    for prepared in engine.layers:
        _write_layer(write, prepared, names, graph.shapes[prepared.layer.inputs[0]])
    outputs = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *graph.shapes[name]])
        for name in dict.fromkeys((*graph.outputs, *watched))
    ]
    image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", *graph.input_shape])
    program = helper.make_model(
        helper.make_graph(write.nodes, "strata", [image], outputs, write.constants),
        producer_name=producer,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    if program.ByteSize() > LARGEST_BYTES:
        raise Unsupported(f"the program has {program.ByteSize()} bytes; one ONNX file holds {LARGEST_BYTES}")
    return program


def _write_layer(write: OnnxWriter, prepared: PreparedLayer, names: dict[str, str], shape: tuple[int, ...]) -> None:
    """Write a layer so that the value of its name is what the engine's readers take for it, in float32."""
    layer, name = prepared.layer, prepared.name
    inputs = []
    for position, source in enumerate(layer.inputs):
        stored, wanted = prepared.stored[position], prepared.wanted[position]
        value = names[source]
        if wanted is not None and stored != wanted:
            begin = f"{name}:input{position}"
            value = write.coded(value, wanted, f"{begin}{CODES}", f"{begin}:value")
        inputs.append(value)
    y = write_operation(write, name, layer.operation, inputs, shape, _parameters(write, prepared))
    activation, output = activation_of(layer.operation), prepared.output
    if output is None or not _codes_clip(activation, output):
        y = write_activation(write, name, activation, y)
    if output is None:
        write.node("Identity", [y], name)
    else:
        write.coded(y, output, f"{name}{CODES}", name)


def _parameters(write: OnnxWriter, prepared: PreparedLayer) -> tuple[str, ...]:
    """Weight and bias of a weighted layer: int8 and int32 codes with their scales, or float32."""
    operation, name = prepared.layer.operation, prepared.name
    if not isinstance(operation, Weighted):
        return ()
    if prepared.integer is None:
        return write.constant(f"{name}:weight", operation.weight), write.constant(f"{name}:bias", operation.bias)
    weights = prepared.integer.weights
    scale = (weights.scale.double() * prepared.integer.x.scale).float()
    return (
        write.decoded(f"{name}:weight", weights.codes, weights.scale),
        write.decoded(f"{name}:bias", weights.bias, scale),
    )


def _codes_clip(activation: Activation, codes: QParams) -> bool:
    """Do the first and last code cut off all that the activation would? Then runtimes need not run it."""
    if codes.zero_point != 0:
        return False
    return activation is Activation.RELU or (activation is Activation.RELU6 and codes.high - codes.scale / 2 <= 6)
