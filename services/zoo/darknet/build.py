"""A Darknet network and its weights as a graph of folded layers."""

import math
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import numpy as np
import torch

from quant import operations
from quant.activation import Activation
from quant.graph import INPUT, Graph, Layer
from quant.operations import Operation
from services.edge.errors import InvalidDeclaration, InvalidWeights
from services.zoo.darknet.cfg import parse_cfg
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.structure import Convolutional, DarknetLayer, Multiply, Network, Route, Shortcut, Skip
from services.zoo.darknet.weights import ConvolutionWeights, Weights, read_weights

_EPSILON = 1e-6  # added to the deviation, not to the variance: normalize_cpu in Darknet's src/blas.c


@dataclass(frozen=True, eq=False)
class DarknetModel:
    """`values[k]` names the graph's value that Darknet's layer k gives; where k only passes one on, its source's."""

    network: Network
    graph: Graph
    values: tuple[str, ...]


def load_model(cfg: Path, weights: Path) -> DarknetModel:
    """Read a cfg and its weights.

    Raises:
        InvalidDeclaration: a fault in the cfg, or it cannot be read.
        InvalidWeights: the weights are not this network's, or are damaged.
    """
    network = load_network(cfg)
    return build_model(network, read_weights(weights, network))


def load_network(cfg: Path) -> Network:
    """Read a cfg alone.

    Raises:
        InvalidDeclaration: a fault in the cfg, or it cannot be read.
    """
    try:
        content = cfg.read_bytes()
    except OSError as error:
        raise InvalidDeclaration(f"{cfg}: cannot be read ({error.strerror})") from None
    return decode_network(content, cfg.name)


def decode_network(content: bytes, name: str) -> Network:
    """A network from the bytes of its cfg.

    Args:
        name: the cfg's, for errors.
    Raises:
        InvalidDeclaration: a fault in the cfg, or it is no text.
    """
    try:
        # Some editors begin a text with a byte order mark, and not all end its lines alike.
        text = StringIO(content.decode("utf-8-sig"), newline=None).read()
    except UnicodeDecodeError as error:
        hint = "is this the weights file?" if b"\0" in content else "save the file as UTF-8"
        raise InvalidDeclaration(f"{name}: byte {error.start} is not UTF-8; {hint}") from None
    return read_network(parse_cfg(text, name))


def build_model(network: Network, weights: Weights) -> DarknetModel:
    """Fold batch normalisation into the convolutions, and leave out the layers that only pass a value on.

    The graph's outputs are the detection heads, or the last layer where there is none.

    Raises:
        InvalidWeights: a folded weight is beyond float32.
    """
    layers: list[Layer] = []
    values: list[str] = []

    def value_of(index: int) -> str:
        return INPUT if index == -1 else values[index]

    for layer in network.layers:
        inputs = tuple(value_of(index) for index in layer.inputs)
        match layer.operation:
            case Skip():
                values.append(inputs[0])
                continue
            case Route():
                added = _route(layer, layer.operation, inputs, network)
            case Shortcut(activation):
                added = _shortcut(layer, activation, inputs, network)
            case Multiply(activation):
                added = _activated(layer.name, operations.Mul(), inputs, activation)
            case Convolutional():
                convolution = _fold(layer, layer.operation, weights.convolutions[layer.index])
                added = [Layer(layer.name, convolution, inputs)]
            case operation:
                added = [Layer(layer.name, operation, inputs)]
        layers += added
        values.append(added[-1].name if added else inputs[0])
    heads = [
        values[layer.index]
        for layer in network.layers
        if isinstance(layer.operation, operations.Yolo | operations.Region)
    ]
    channels, height, width = network.input_shape
    graph = Graph((channels, height, width), tuple(layers), tuple(heads or values[-1:]))
    return DarknetModel(network, graph, tuple(values))


def _route(layer: DarknetLayer, route: Route, inputs: tuple[str, ...], network: Network) -> list[Layer]:
    """Slices where only a group is taken, then a concatenation; nothing where one whole value is passed on."""
    parts: list[Layer] = []
    if route.groups > 1:
        for position, (index, value) in enumerate(zip(layer.inputs, inputs, strict=True)):
            share = network.layers[index].shape.channels // route.groups
            cut = operations.Slice(route.group * share, (route.group + 1) * share)
            name = layer.name if len(inputs) == 1 else f"{layer.name}_part_{position}"
            parts.append(Layer(name, cut, (value,)))
        inputs = tuple(part.name for part in parts)
    if len(inputs) > 1:
        parts.append(Layer(layer.name, operations.Concat(), inputs))
    return parts


def _shortcut(layer: DarknetLayer, activation: Activation, inputs: tuple[str, ...], network: Network) -> list[Layer]:
    """A sum; of layers of other shapes, of the channels that both have, beside those that only the first has."""
    if len(inputs) > 2:
        return [Layer(layer.name, operations.Add(activation), inputs)]
    base, other = inputs
    channels, height, _ = layer.shape
    shape = network.layers[layer.inputs[1]].shape
    parts: list[Layer] = []

    def part(suffix: str, operation: Operation, *read: str) -> str:
        parts.append(Layer(f"{layer.name}_{suffix}", operation, read))
        return parts[-1].name

    if step := shape.height // height - 1:
        other = part("pixels", operations.MaxPool((1, 1), (step + 1, step + 1)), other)
    if shape.channels > channels:
        other = part("channels", operations.Slice(0, channels), other)
    if shape.channels >= channels:
        return [*parts, Layer(layer.name, operations.Add(activation), (base, other))]
    first = part("first", operations.Slice(0, shape.channels), base)
    rest = part("rest", operations.Slice(shape.channels, channels), base)
    total = part("sum", operations.Add(), first, other)
    return parts + _activated(layer.name, operations.Concat(), (total, rest), activation)


def _activated(name: str, operation: Operation, inputs: tuple[str, ...], activation: Activation) -> list[Layer]:
    """An operation without an activation of its own, and the activation behind it."""
    if activation is Activation.NONE:
        return [Layer(name, operation, inputs)]
    before = f"{name}_before"
    return [Layer(before, operation, inputs), Layer(name, operations.Activate(activation), (before,))]


def _fold(layer: DarknetLayer, operation: Convolutional, convolution: ConvolutionWeights) -> operations.Conv2d:
    """scale (conv(x) - mean) / (sqrt(variance) + 1e-6) + bias, as one convolution and bias; computed in float64."""
    bias, gain = convolution.biases.astype(np.float64), np.ones(operation.filters)
    if convolution.normalization is not None:
        normalization = convolution.normalization
        deviation = np.sqrt(normalization.variance.astype(np.float64)) + _EPSILON
        gain = normalization.scales / deviation
        bias = bias - normalization.mean * gain
    weight = np.empty_like(convolution.weights)
    with np.errstate(over="ignore"):  # told from the result
        # A few at a time are in float64: of a large layer all would be most of the work.
        np.multiply(convolution.weights, gain[:, None, None, None], out=weight, dtype=np.float64, casting="same_kind")
        bias = bias.astype(np.float32)
    if not all(map(math.isfinite, (weight.max(), weight.min(), bias.max(), bias.min()))):
        raise InvalidWeights(
            f"{layer.name}: with its normalisation folded in, a weight is beyond float32; is the file damaged?"
        )
    return operations.Conv2d(
        torch.from_numpy(weight),
        torch.from_numpy(bias),
        stride=operation.strides,
        padding=(operation.padding, operation.padding),
        dilation=(operation.dilation, operation.dilation),
        groups=operation.groups,
        activation=operation.activation,
    )
