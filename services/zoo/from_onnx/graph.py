"""The graph of an ONNX program."""

from collections.abc import Collection, Sequence

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import numpy_helper

from quant.errors import QuantError
from quant.folding import fold
from quant.graph import Graph, Layer
from services.edge.errors import Unsupported
from services.zoo.from_onnx.heads import OnnxHead, check_heads, cut_at, with_heads
from services.zoo.from_onnx.operators import OPERATORS
from services.zoo.from_onnx.prepare import opset_of, prepare
from services.zoo.from_onnx.reorg import join_reorgs
from services.zoo.from_onnx.translation import OnnxNode, Translation
from services.zoo.from_onnx.values import VALUES
from services.zoo.programs import check_scores

_HANDLERS = {**OPERATORS, **VALUES}
_ROUNDING = 1e-3
"""Of the largest answer: what two orders of summing may differ by; a wrong layer differs by all of it."""


def graph_of_onnx(program: onnx.ModelProto, file: str, heads: Sequence[OnnxHead] = ()) -> Graph:
    """The program as a graph, batch norms and activations folded in; it answers noise as ONNX Runtime does.

    Args:
        program: of one float32 input (`services.zoo.programs.read_onnx`).
        file: names it in errors.
        heads: of a detector; what they read is held to ONNX Runtime's, and nothing behind that is looked at.
    Raises:
        InvalidDeclaration: as `prepare`; without heads, something else than one output of scores; heads on values that
            are not there, or not for them.
        Unsupported: an operator there is no operation for, or used as there is none; names the node.
    """
    if heads:
        program = cut_at(program, heads, file)
    else:
        check_scores(program, file)
    plain = prepare(program, file)
    build = Translation(plain.graph, opset_of(plain))
    values = [each.name for each in plain.graph.output]
    try:
        check_heads(build, heads, file)
        join_reorgs(plain.graph, build.shape)
        for proto in plain.graph.node:
            _translate(build, OnnxNode(proto))
        outputs = tuple(map(build.layer, values))
        graph = fold(Graph(_input_shape(build, plain.graph), _needed(build, outputs), outputs))
    except Unsupported as error:
        raise Unsupported(f"{file}: {error}") from None
    except (QuantError, KeyError) as error:
        raise Unsupported(f"{file}: its nodes make no graph that runs here: {error}") from error
    _check_answers(graph, program, file)
    return with_heads(graph, dict(zip(values, graph.outputs, strict=True)), heads) if heads else graph


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


def _needed(build: Translation, outputs: Collection[str]) -> tuple[Layer, ...]:
    """The layers that lead to an output: a gate that became part of an activation leads nowhere."""
    wanted = set(outputs)
    for layer in reversed(build.layers.values()):
        if layer.name in wanted:
            wanted.update(layer.inputs)
    return tuple(layer for layer in build.layers.values() if layer.name in wanted)


def _check_answers(graph: Graph, program: onnx.ModelProto, file: str) -> None:
    """Raises Unsupported where the graph answers otherwise than the program."""
    x = np.random.default_rng(0).standard_normal((1, *graph.input_shape), np.float32)
    session = onnxruntime.InferenceSession(program.SerializeToString(), providers=["CPUExecutionProvider"])
    with torch.inference_mode():
        found = graph.run(torch.from_numpy(x))
    for name, expected in zip(graph.outputs, session.run(None, {session.get_inputs()[0].name: x}), strict=True):
        ours = found[name].numpy()
        apart = np.abs(ours.reshape(expected.shape) - expected).max() if ours.size == expected.size else np.inf
        if not apart <= _ROUNDING * max(1e-6, np.abs(expected).max()):
            raise Unsupported(f"{file}: as a graph it would answer otherwise than in ONNX Runtime, by {apart:.2g}")
