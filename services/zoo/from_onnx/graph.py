"""The graph of an ONNX program."""

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

from quant.errors import QuantError
from quant.folding import fold
from quant.graph import Graph, Layer
from services.edge.errors import Unsupported
from services.zoo.from_onnx.operators import OPERATORS
from services.zoo.from_onnx.prepare import prepare
from services.zoo.from_onnx.translation import OnnxNode, Translation
from services.zoo.from_onnx.values import VALUES

_HANDLERS = {**OPERATORS, **VALUES}
_ROUNDING = 1e-3
"""Of the largest answer: what two orders of summing may differ by; a wrong layer differs by all of it."""


def graph_of_onnx(program: onnx.ModelProto, file: str) -> Graph:
    """The program as a graph, batch norms and activations folded in; it answers noise as ONNX Runtime does.

    Args:
        program: of one float32 input and one float32 output (`services.zoo.programs.read_onnx`).
        file: names it in errors.
    Raises:
        InvalidDeclaration: pictures whose size is left open.
        Unsupported: an operator there is no operation for, or used as there is none; names the node.
    """
    plain = prepare(program, file)
    opset = max(each.version for each in plain.opset_import if not each.domain)
    build = Translation(plain.graph, opset)
    try:
        for proto in plain.graph.node:
            _translate(build, OnnxNode(proto))
        output = plain.graph.output[0].name
        layers = _needed(build, build.layer(output))
        graph = fold(Graph(_input_shape(build, plain.graph), layers, (build.layer(output),)))
    except Unsupported as error:
        raise Unsupported(f"{file}: {error}") from None
    except (QuantError, KeyError) as error:
        raise Unsupported(f"{file}: its nodes make no graph that runs here: {error}") from error
    _check_answers(graph, program, file)
    return graph


def _translate(build: Translation, node: OnnxNode) -> None:
    if node.kind == "Constant":
        build.give_constant(node.outputs[0], numpy_helper.to_array(node.get("value", None)))
        return
    handler = _HANDLERS.get(node.kind)
    if handler is None:
        raise node.refused("has no counterpart here")
    build.give(node.outputs[0], handler(build, node))


def _input_shape(build: Translation, graph: onnx.GraphProto) -> tuple[int, int, int]:
    weights = {tensor.name for tensor in graph.initializer}
    (image,) = (each.name for each in graph.input if each.name not in weights)
    C, H, W = build.shape(image)
    return C, H, W


def _needed(build: Translation, output: str) -> tuple[Layer, ...]:
    """The layers that lead to the output: a gate that became part of an activation leads nowhere."""
    wanted = {output}
    for layer in reversed(build.layers.values()):
        if layer.name in wanted:
            wanted.update(layer.inputs)
    return tuple(layer for layer in build.layers.values() if layer.name in wanted)


def _check_answers(graph: Graph, program: onnx.ModelProto, file: str) -> None:
    """Raises Unsupported where the graph answers otherwise than the program."""
    x = np.random.default_rng(0).standard_normal((1, *graph.input_shape), np.float32)
    session = onnxruntime.InferenceSession(program.SerializeToString(), providers=["CPUExecutionProvider"])
    (expected,) = session.run(None, {session.get_inputs()[0].name: x})
    with torch.inference_mode():
        (found,) = graph.run(torch.from_numpy(x)).values()
    apart = np.abs(found.numpy().reshape(expected.shape) - expected).max() if found.numel() == expected.size else np.inf
    if not apart <= _ROUNDING * max(1e-6, np.abs(expected).max()):
        raise Unsupported(f"{file}: as a graph it would answer otherwise than in ONNX Runtime, by {apart:.2g}")
