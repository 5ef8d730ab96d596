"""Joining layers that are one in arithmetic: twins, norms and weights, sums and convolutions, makers and activations.

Exact up to float rounding. A layer whose value is an output of the graph or has a second reader swallows nothing.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

from quant.activation import Activation
from quant.graph import Graph, Layer
from quant.operations import Activate, Add, AvgPool, BatchNorm, Conv2d, Linear, MaxPool, Operation, Pad

Lookup = Callable[[str], Layer | None]
"""The layer that makes a value, if one layer alone reads it."""

Rule = Callable[[Layer, Lookup], tuple[str, Layer] | None]
"""(layer, lookup) -> the name of the layer it swallows, and what both become; None where it does not apply."""


def fold(graph: Graph) -> Graph:
    """The same function in fewer layers; a joined layer has the name of the earlier one, the one with the weights."""
    graph = _merge_twins(graph)
    for rule in (_norm_into_weights, _sum_into_convolution, _activation_into_maker):
        graph = _apply(graph, rule)
    return graph


def _merge_twins(graph: Graph) -> Graph:
    """Layers without weights that do the same to the same value become one: in NASNet each branch has its own ReLU."""
    twins: dict[tuple[Operation, tuple[str, ...]], str] = {}
    kept: list[Layer] = []
    renamed: dict[str, str] = {}
    for original in graph.layers:
        layer = replace(original, inputs=tuple(renamed.get(name, name) for name in original.inputs))
        if isinstance(layer.operation, Activate | MaxPool | AvgPool | Pad):
            renamed[layer.name] = twins.setdefault((layer.operation, layer.inputs), layer.name)
        if renamed.get(layer.name, layer.name) == layer.name:
            kept.append(layer)
    return Graph(graph.input_shape, tuple(kept), tuple(renamed.get(name, name) for name in graph.outputs))


def _apply(graph: Graph, rule: Rule) -> Graph:
    readers = Counter(name for layer in graph.layers for name in layer.inputs) + Counter(graph.outputs)
    made: dict[str, Layer] = {}
    renamed: dict[str, str] = {}
    reader_count: dict[str, int] = {}

    def lookup(name: str) -> Layer | None:
        return made.get(name) if reader_count.get(name) == 1 else None

    for original in graph.layers:
        layer = replace(original, inputs=tuple(renamed.get(name, name) for name in original.inputs))
        joined = rule(layer, lookup)
        if joined:
            swallowed, layer = joined
            del made[swallowed]
            renamed[original.name] = layer.name
        made[layer.name] = layer
        reader_count[layer.name] = readers[original.name]
    return Graph(graph.input_shape, tuple(made.values()), tuple(renamed.get(name, name) for name in graph.outputs))


def _norm_into_weights(layer: Layer, lookup: Lookup) -> tuple[str, Layer] | None:
    norm, maker = layer.operation, lookup(layer.inputs[0])
    if not isinstance(norm, BatchNorm) or maker is None:
        return None
    weighted = maker.operation
    if not isinstance(weighted, Conv2d | Linear) or weighted.activation is not Activation.NONE or len(maker.inputs) > 1:
        return None
    factor = norm.scale.view(-1, *[1] * (weighted.weight.dim() - 1))
    folded = replace(
        weighted,
        weight=weighted.weight * factor,
        bias=weighted.bias * norm.scale + norm.shift,
        activation=norm.activation,
    )
    return maker.name, replace(maker, operation=folded)


def _sum_into_convolution(layer: Layer, lookup: Lookup) -> tuple[str, Layer] | None:
    if not isinstance(layer.operation, Add) or len(layer.inputs) != 2 or layer.inputs[0] == layer.inputs[1]:
        return None
    for convolved, residual in (layer.inputs, layer.inputs[::-1]):
        maker = lookup(convolved)
        if maker is None or len(maker.inputs) > 1:
            continue
        conv = maker.operation
        if isinstance(conv, Conv2d) and conv.activation is Activation.NONE:
            inputs = (maker.inputs[0], residual)
            return maker.name, Layer(maker.name, replace(conv, activation=layer.operation.activation), inputs)
    return None


def _activation_into_maker(layer: Layer, lookup: Lookup) -> tuple[str, Layer] | None:
    maker = lookup(layer.inputs[0])
    if not isinstance(layer.operation, Activate) or maker is None:
        return None
    operation = maker.operation
    if isinstance(operation, Conv2d | Linear | BatchNorm | Add) and operation.activation is Activation.NONE:
        return maker.name, replace(maker, operation=replace(operation, activation=layer.operation.activation))
    return None
