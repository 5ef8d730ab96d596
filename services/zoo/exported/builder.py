"""What the nodes of an exported program stand for: values of our layers, constants, sizes."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import torch
from torch import SymInt, Tensor
from torch.fx import Node

from quant.graph import INPUT, Layer
from quant.operations import Flatten, Operation
from services.edge.errors import Unsupported
from services.zoo.exported.nodes import dtype_name, named, place, tensor_of

Shape: TypeAlias = tuple[int, ...]

MIXES = "mixes the pictures of a batch, or leaves some out; each must be answered by itself, along the first axis"


@dataclass(frozen=True)
class Value:
    """The elements that a layer gives, in their order.

    A node that only reshapes has the value of the node it reads; what reads it asks for the shape it needs.

    Attributes:
        layer: its name, or INPUT.
        shape: as the layer gives it, without N.
        flat: what the layer that makes a vector of it would be called.
    """

    layer: str
    shape: Shape
    flat: str


class LayerBuilder:
    """The layers made so far, and what each node of the program stands for."""

    def __init__(self) -> None:
        self.layers: dict[str, Layer] = {}
        self._values: dict[Node, Value | tuple[Value, ...]] = {}
        self._constants: dict[Node, Tensor] = {}
        self._origins: dict[Node, str] = {}
        self._vectors: dict[str, str] = {}
        self._pictures: int | SymInt = 0

    def set_input(self, node: Node) -> None:
        self._pictures = tensor_of(node).shape[0]
        self._values[node] = Value(INPUT, self.shape(node), node.name)

    def shape(self, node: Any) -> Shape:
        """Shape of a node's value without N; where an export left a side open, the example's.

        Raises:
            Unsupported: it does not begin with N, the number of pictures.
        """
        pictures, *sizes = tensor_of(node).shape or (None,)
        if str(pictures) != str(self._pictures):  # sizes left open are expressions: equal where they read the same
            raise Unsupported(f"{place(node)} {MIXES}")
        return tuple(_fixed(size, node) for size in sizes)

    def set_value(self, node: Node, value: Value | tuple[Value, ...]) -> None:
        self._values[node] = value

    def set_constant(self, node: Node, tensor: Tensor, origin: str = "") -> None:
        """Let the node stand for a tensor; `origin` is the parameter's path in its module."""
        self._constants[node] = tensor
        self._origins[node] = origin

    def is_constant(self, argument: Any) -> bool:
        return not isinstance(argument, Node) or argument in self._constants

    def constant(self, argument: Any) -> Tensor:
        """The tensor of an argument that does not depend on the picture. Raises Unsupported where it does."""
        if isinstance(argument, int | float):
            return torch.tensor(float(argument))
        if not isinstance(argument, Node) or argument not in self._constants:
            raise Unsupported(f"{named(argument)} depends on the picture; a weight is expected there")
        return self._constants[argument]

    def weight(self, argument: Any) -> Tensor:
        """As `constant`, in float32. Raises Unsupported for another type."""
        tensor = self.constant(argument)
        if tensor.dtype != torch.float32:
            raise Unsupported(
                f"{named(argument)} is {dtype_name(tensor)}; export the module in float32: module.float()"
            )
        return tensor

    def value(self, argument: Any) -> Value:
        """The value of an argument that is one. Raises Unsupported for constants, sizes and lists."""
        found = self._values.get(argument) if isinstance(argument, Node) else None
        if not isinstance(found, Value):
            raise Unsupported(f"{named(argument)} stands where a value computed from the picture is expected")
        return found

    def part(self, node: Node, index: int) -> Value:
        """One of the several values of a node. Raises Unsupported where it is not kept."""
        found = self._values.get(node)
        if not isinstance(found, tuple) or index >= len(found):
            raise Unsupported(f"output {index} of {place(node)} is not supported")
        return found[index]

    def read(self, argument: Any) -> str:
        """The name of a layer that gives the argument in its own shape; a vector is made where one is needed."""
        value, shape = self.value(argument), self.shape(argument)
        if value.shape == shape:
            return value.layer
        if len(shape) != 1:
            raise Unsupported(
                f"{place(argument)} reshapes {_listed(value.shape)} to {_listed(shape)}; "
                "only flattening to [N, C] is supported"
            )
        if value.layer not in self._vectors:
            self._vectors[value.layer] = self.addnamed(value.flat, Flatten(), (value.layer,), shape).layer
        return self._vectors[value.layer]

    def add(self, node: Node, operation: Operation, inputs: Sequence[str], shape: Shape | None = None) -> Value:
        """Add a layer, named after the module that holds its weights, else after the node; `shape` without N."""
        return self.addnamed(self._layer_name(node), operation, inputs, self.shape(node) if shape is None else shape)

    def addnamed(self, name: str, operation: Operation, inputs: Sequence[str], shape: Shape) -> Value:
        unique, count = name, 1
        while unique in self.layers or unique == INPUT:
            count += 1
            unique = f"{name}_{count}"
        self.layers[unique] = Layer(unique, operation, tuple(inputs))
        return Value(unique, shape, f"{unique}_flat")

    def reshaped(self, node: Node, source: Any) -> Value:
        """The source's value under the node's shape: the same elements of each picture, in their order."""
        self.shape(node)
        value = self.value(source)
        return replace(value, flat=node.name) if value.flat == f"{value.layer}_flat" else value

    def layer_axis(self, argument: Any, axis: int) -> int | None:
        """Where an axis of the argument (N is 0) is in the layer that gives it; None for an axis of one element.

        Raises:
            Unsupported: the argument is not a feature map whose axes of one element alone may be gone.
        """
        layer, shape = (1, *self.value(argument).shape), (1, *self.shape(argument))
        wide = [each for each, size in enumerate(layer) if size != 1]
        if len(layer) != 4 or [layer[each] for each in wide] != [size for size in shape if size != 1]:
            raise Unsupported(f"{place(argument)} is not a feature map [N, C, H, W], which is expected there")
        return None if shape[axis] == 1 else wide[sum(size != 1 for size in shape[:axis])]

    def origin(self, node: Node) -> str:
        """The path of the first parameter among the node's arguments; empty where there is none."""
        origins = (self._origins.get(each, "") for each in node.all_input_nodes)
        return next(filter(None, origins), "")

    def _layer_name(self, node: Node) -> str:
        return self.origin(node).rpartition(".")[0] or node.name


Handler: TypeAlias = Callable[[LayerBuilder, Node], Value | tuple[Value, ...]]
"""Adds what a node computes to the layers, and says what the node stands for."""


def _fixed(size: int | SymInt, node: Node) -> int:
    hint = size if isinstance(size, int) else size.node.hint
    if not isinstance(hint, int):
        raise Unsupported(f"{place(node)} has no fixed size; export height and width as numbers")
    return hint


def _listed(shape: Shape) -> str:
    return f"[{', '.join(map(str, ('N', *shape)))}]"
