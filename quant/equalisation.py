"""Cross-layer equalisation: what one layer makes large and its readers take small, evened out channel by channel.

What follows activations with f(s x) = s f(x) may be scaled in the layer before and scaled back in those after. Factors
are powers of two, so that no product and no sum is rounded otherwise than before: the float outputs stay, bit by bit.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from quant.activation import Activation
from quant.graph import Graph, Layer
from quant.operations import Activate, AvgPool, Conv2d, Flatten, GlobalAvgPool, MaxPool, Pad, Upsample, Weighted

MOST_DOUBLINGS = 4
"""Of a channel, up or down: one of next to no weights must not be blown up until its bias fills the value's range."""
_MOST_SWEEPS = 20
_HOMOGENEOUS = frozenset({Activation.NONE, Activation.RELU, Activation.LEAKY})
_PASSING = MaxPool | AvgPool | GlobalAvgPool | Upsample | Pad | Flatten


@dataclass(frozen=True, eq=False)
class Equalised:
    """A network of the same function, with evener weights.

    Attributes:
        scaled: of each layer whose channels were scaled, the layers that scale them back.
        left: of each other weighted layer, in words why its channels were not.
    """

    graph: Graph
    scaled: Mapping[str, tuple[str, ...]]
    left: Mapping[str, str]


def equalise(graph: Graph) -> Equalised:
    """Bring each channel's range in the layer that makes it and its range in those that read it together.

    Source: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
    section 4.1, the factors of equation 11 to the nearest power of two. Exact for ReLU, leaky ReLU and no activation;
    layers with another, such as ReLU6 or hardswish, are left alone. Biases are not absorbed (section 4.1.3), since
    that is exact only where a ReLU clips nothing.
    """
    weighted = [layer for layer in graph.layers if isinstance(layer.operation, Weighted)]
    operations = {layer.name: layer.operation for layer in weighted if isinstance(layer.operation, Weighted)}
    readers, left = dict[str, tuple[str, ...]](), dict[str, str]()
    for layer in weighted:
        readers[layer.name], reason = _readers(graph, layer)
        if reason:
            left[layer.name] = reason
    doublings = {name: torch.zeros(len(operation.bias)) for name, operation in operations.items()}
    for _ in range(_MOST_SWEEPS):
        changed = [_even_out(operations, name, readers[name], doublings) for name in operations if name not in left]
        if not any(changed):
            break
    for name in operations:
        if name not in left and not bool(doublings[name].any()):
            left[name] = "its channels are even already"
    layers = tuple(replace(layer, operation=operations.get(layer.name, layer.operation)) for layer in graph.layers)
    scaled = {name: readers[name] for name in operations if name not in left}
    return Equalised(replace(graph, layers=layers), scaled, {name: left[name] for name in operations if name in left})


def _readers(graph: Graph, maker: Layer) -> tuple[tuple[str, ...], str]:
    """The weighted layers that alone read what a layer makes, and why it cannot be scaled; empty where it can."""
    operation = maker.operation
    assert isinstance(operation, Weighted)
    if operation.activation not in _HOMOGENEOUS:
        return (), f"{operation.activation} does not scale"
    if len(maker.inputs) > 1:
        return (), f"it adds {maker.inputs[1]}"
    found, values = dict[str, None](), [maker.name]
    for value in values:
        if value in graph.outputs:
            return (), f"{value} is an output"
        for name in graph.consumers[value]:
            reader = graph.layer(name)
            if isinstance(reader.operation, Weighted) and value in reader.inputs[1:]:
                return (), f"{name} adds it"
            if isinstance(reader.operation, Weighted):
                found[name] = None
            elif _passes_on(reader):
                values.append(name)
            else:
                return (), f"{name} ({type(reader.operation).__name__}) reads it"
    return tuple(found), "" if found else "no layer with weights reads it"


def _passes_on(layer: Layer) -> bool:
    """Does a layer of positively scaled channels make as much scaled channels, each of one alone?"""
    operation = layer.operation
    if isinstance(operation, Activate):
        return operation.activation in _HOMOGENEOUS
    return isinstance(operation, _PASSING)


def _even_out(
    operations: dict[str, Weighted], maker: str, readers: tuple[str, ...], doublings: Mapping[str, Tensor]
) -> bool:
    """Scale a layer's channels and scale them back in its readers; False where that changes nothing."""
    made = operations[maker].weight.flatten(1).abs().amax(1)
    read = torch.stack([_input_ranges(operations[name], len(made)) for name in readers]).amax(0)
    halves = torch.where((made > 0) & (read > 0), (made / read).log2() / 2, 0.0).round()
    halves = (doublings[maker] - halves).clamp(-MOST_DOUBLINGS, MOST_DOUBLINGS) - doublings[maker]
    if not bool(halves.any()):
        return False
    doublings[maker].add_(halves)
    factor, operation = torch.exp2(halves), operations[maker]
    weight = operation.weight * factor.view(-1, *[1] * (operation.weight.dim() - 1))
    operations[maker] = replace(operation, weight=weight, bias=operation.bias * factor)
    for name in readers:
        operations[name] = _with_scaled_inputs(operations[name], 1 / factor)
    return True


def _input_ranges(operation: Weighted, channels: int) -> Tensor:
    """[C]: the largest weight that each of a layer's input channels meets."""
    return _by_group(operation, channels).abs().amax((1, 3)).flatten()


def _with_scaled_inputs(operation: Weighted, factor: Tensor) -> Weighted:
    """With the weights that input channel c meets times `factor[c]`."""
    weights = _by_group(operation, len(factor))
    scaled = weights * factor.view(len(weights), 1, -1, 1)
    return replace(operation, weight=scaled.reshape(operation.weight.shape))


def _by_group(operation: Weighted, channels: int) -> Tensor:
    """[G, O / G, C / G, K]: K weights for each channel of a group; a flattened channel has as many as it had pixels."""
    weight, groups = operation.weight, operation.groups if isinstance(operation, Conv2d) else 1
    return weight.reshape(groups, len(weight) // groups, channels // groups, -1)
