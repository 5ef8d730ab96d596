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
from services.zoo.onnx_form.part import EnginePart
from services.zoo.onnx_form.writer import CODES, GRAPH, OPSET, OnnxWriter

IR_VERSION = 9
"""Of the container that came with the opset."""
JOINED = ":joined"
"""The output that several are joined in: no layer's, whose names come before a colon."""
LARGEST_BYTES = 2**31 - 1
"""What a protobuf message may have."""


def onnx_program(
    whole: Engine | EnginePart, producer: str, watched: tuple[str, ...] = (), *, joined: bool = False
) -> onnx.ModelProto:
    """Write an engine's graph, or a part of it, for any number of pictures.

    Args:
        producer: what made it, for those who read the file.
        watched: layers whose values are outputs too, after the graph's own.
        joined: several outputs are one, JOINED [N, V], in their order.
    Returns:
        a program from `input`, float32 [N, C, H, W], to the graph's outputs by their names, float32.
    Raises:
        Unsupported: more than a protobuf message may have.
    """
    part = whole if isinstance(whole, EnginePart) else EnginePart(whole)
    graph, write = part.engine.graph, OnnxWriter()
    names = {layer.name: layer.name for layer in graph.layers} | {part.entry: INPUT}
    if (stored := part.engine.formats[part.entry]) is not None:
        names[part.entry] = write.coded_input(INPUT, stored)
    for prepared in part.layers:
        _write_layer(write, prepared, names, graph.shapes[prepared.layer.inputs[0]])
    shapes = {name: graph.shapes[name] for name in (*part.outputs, *watched)}
    if joined and len(part.outputs) > 1:
        shapes = {_joined(write, part): part.output_shape} | {name: graph.shapes[name] for name in watched}
    outputs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape]) for name, shape in shapes.items()]
    image = helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["N", *part.input_shape])
    program = helper.make_model(
        helper.make_graph(write.nodes, GRAPH, [image], outputs, write.constants),
        producer_name=producer,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
    )
    if program.ByteSize() > LARGEST_BYTES:
        raise Unsupported(f"the program has {program.ByteSize()} bytes; one ONNX file holds {LARGEST_BYTES}")
    return program


def _joined(write: OnnxWriter, part: EnginePart) -> str:
    vectors = [write.node("Flatten", [name], f"{name}:vector", axis=1) for name in part.outputs]
    return write.node("Concat", vectors, JOINED, axis=1)


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
