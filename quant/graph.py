"""A model as named layers in the order they run: one float input, named outputs, one value per layer."""

from collections import Counter
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass, fields, replace
from difflib import get_close_matches
from functools import cached_property
from math import isfinite

import torch
from torch import Tensor

from quant.errors import InvalidGraph, LayerNotFound, NonFiniteValue, WrongShape, WrongType
from quant.operations import Add, Concat, Conv2d, Mul, Operation, Weighted

INPUT = "input"
"""The name of the graph's input value: [N, C, H, W], float32."""


@dataclass(frozen=True, eq=False)
class Layer:
    """`inputs` are names of earlier layers, or INPUT. The layer's value has the layer's name."""

    name: str
    operation: Operation
    inputs: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Graph:
    """`input_shape` is (C, H, W); `outputs` are names of layers.

    Raises:
        InvalidGraph: a name used twice, an input no earlier layer makes, a wrong number of inputs, unknown outputs.
        NonFiniteValue: NaN or infinity in a weight, a bias or a norm; names the layer.
    """

    input_shape: tuple[int, int, int]
    layers: tuple[Layer, ...]
    outputs: tuple[str, ...]

    def __post_init__(self) -> None:
        known = {INPUT}
        for layer in self.layers:
            if layer.name in known:
                raise InvalidGraph(f"two layers have the name {layer.name!r}")
            missing = [name for name in layer.inputs if name not in known]
            if missing:
                raise InvalidGraph(f"layer {layer.name!r} reads {missing[0]!r}, which no earlier layer makes")
            low, high = _arity(layer.operation)
            if not low <= len(layer.inputs) <= high:
                kind = type(layer.operation).__name__
                raise InvalidGraph(f"layer {layer.name!r} has {len(layer.inputs)} inputs; {kind} takes {low} to {high}")
            _check_weights(layer)
            known.add(layer.name)
        if not self.outputs or not set(self.outputs) <= known - {INPUT}:
            raise InvalidGraph(f"outputs {self.outputs} are not all layers of the graph")

    @cached_property
    def _positions(self) -> dict[str, int]:
        return {layer.name: index for index, layer in enumerate(self.layers)}

    def index(self, name: str) -> int:
        """Position of a layer in `layers`.

        Raises:
            LayerNotFound: names the layers that look alike.
        """
        try:
            return self._positions[name]
        except KeyError:
            holding = [known for known in self._positions if name in known or known in name][:3]
            alike = holding or get_close_matches(name, self._positions, n=3)
            hint = f"; there is {', '.join(alike)}" if alike else f"; the first is {self.layers[0].name!r}"
            raise LayerNotFound(f"no layer {name!r} in this graph{hint}") from None

    def layer(self, name: str) -> Layer:
        return self.layers[self.index(name)]

    @cached_property
    def consumers(self) -> dict[str, tuple[str, ...]]:
        """Of each value, the names of the layers that read it, in order."""
        readers: dict[str, list[str]] = {name: [] for name in (INPUT, *(layer.name for layer in self.layers))}
        for layer in self.layers:
            for name in dict.fromkeys(layer.inputs):
                readers[name].append(layer.name)
        return {name: tuple(names) for name, names in readers.items()}

    def with_operation(self, name: str, operation: Operation) -> "Graph":
        """A new graph in which layer `name` computes `operation`; all else is shared with this one.

        Raises:
            LayerNotFound, InvalidGraph, NonFiniteValue.
        """
        index = self.index(name)
        layers = list(self.layers)
        layers[index] = replace(layers[index], operation=operation)
        if not _keeps_shape(self.layers[index].operation, operation):
            return replace(self, layers=tuple(layers))
        # an edit of weights: check that layer alone, and do not run the whole graph again to learn the same shapes
        _check_weights(layers[index])
        graph = copy(self)
        object.__setattr__(graph, "layers", tuple(layers))
        return graph

    def check_input(self, x: Tensor) -> None:
        """Raises WrongShape where x does not have the graph's input shape, WrongType where it is not float32."""
        if x.dim() != 4 or tuple(x.shape[1:]) != self.input_shape:
            raise WrongShape(f"the input is {list(x.shape)}, expected [N, {', '.join(map(str, self.input_shape))}]")
        if x.dtype != torch.float32:
            raise WrongType(
                f"the input is {str(x.dtype).removeprefix('torch.')}, expected float32: convert it with .float()"
            )

    def values(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        """Run in float, yielding each layer's name and value; a value is dropped after its last reader.

        Args:
            x: [N, C, H, W], float32.
        Raises:
            WrongShape, WrongType: see `check_input`.
        """
        self.check_input(x)
        readers_left = Counter(name for layer in self.layers for name in layer.inputs)
        alive = {INPUT: x}
        for layer in self.layers:
            value = layer.operation.run(*(alive[name] for name in layer.inputs))
            for name in layer.inputs:
                readers_left[name] -= 1
                if not readers_left[name]:
                    del alive[name]
            if readers_left[layer.name]:
                alive[layer.name] = value
            yield layer.name, value

    def run(self, x: Tensor) -> dict[str, Tensor]:
        """The outputs by name, in float: the definition every engine is compared with."""
        return {name: value for name, value in self.values(x) if name in self.outputs}

    @cached_property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Of each value, the input's included, its shape without N."""
        with torch.inference_mode():
            values = self.values(torch.zeros(1, *self.input_shape))
            return {INPUT: tuple(self.input_shape)} | {name: tuple(value.shape[1:]) for name, value in values}


def _keeps_shape(before: Operation, after: Operation) -> bool:
    if not (isinstance(before, Weighted) and type(before) is type(after)):
        return False
    assert isinstance(after, Weighted)
    unchanged = all(
        getattr(before, part.name) == getattr(after, part.name)
        for part in fields(before)
        if part.name not in ("weight", "bias", "activation")
    )
    return unchanged and before.weight.shape == after.weight.shape


def _arity(operation: Operation) -> tuple[int, int]:
    match operation:
        case Conv2d():
            return 1, 2
        case Mul():
            return 2, 2
        case Add():
            return 2, 64
        case Concat():
            return 1, 64
        case _:
            return 1, 1


def _check_weights(layer: Layer) -> None:
    operation = layer.operation
    if isinstance(operation, Weighted) and operation.bias.shape != (channels := operation.weight.shape[:1]):
        raise InvalidGraph(
            f"layer {layer.name!r} has {channels[0]} output channels and a bias of shape {list(operation.bias.shape)}"
        )
    for part in fields(operation):
        tensor = getattr(operation, part.name)
        # NaN is both of its ends: one pass, no copies
        if isinstance(tensor, Tensor) and not all(map(isfinite, torch.aminmax(tensor))):
            raise NonFiniteValue(f"layer {layer.name!r}: {part.name} holds NaN or infinity")
