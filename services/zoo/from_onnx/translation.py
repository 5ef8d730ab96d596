"""The layers made so far of an ONNX program, and what its values stand for."""

import re
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from onnx import helper, numpy_helper
from torch import Tensor

from quant.graph import INPUT, Layer
from quant.operations import Flatten, Operation, Padding
from services.edge.errors import Unsupported
from services.zoo.onnx_form.writer import GRAPH

Shape: TypeAlias = tuple[int, ...]


class OnnxNode:
    """A node, its attributes as Python's values; inputs that are left out are empty."""

    def __init__(self, proto: onnx.NodeProto) -> None:
        self.kind: str = proto.op_type
        self.inputs: tuple[str, ...] = tuple(proto.input)
        self.outputs: tuple[str, ...] = tuple(proto.output)
        self.name: str = proto.name or self.outputs[0]
        self._attributes = {each.name: helper.get_attribute_value(each) for each in proto.attribute}

    def get(self, name: str, default: Any) -> Any:
        """An attribute; text is decoded."""
        value = self._attributes.get(name, default)
        return value.decode() if isinstance(value, bytes) else value

    def refused(self, why: str) -> Unsupported:
        """The error that names the node."""
        return Unsupported(f"node '{self.name}' ({self.kind}) {why}")


class Translation:
    """What an ONNX program's values stand for: constants, or the value that a layer gives.

    Attributes:
        opset: of the program.
        layers: made so far, by name.
    """

    def __init__(self, graph: onnx.GraphProto, opset: int) -> None:
        self.opset = opset
        self._ours = graph.name == GRAPH
        self.layers: dict[str, Layer] = {}
        self._constants: dict[str, NDArray[Any]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer
        }
        (image,) = (each.name for each in graph.input if each.name not in self._constants)
        self._layer_of = {image: INPUT}
        self._shapes = {
            value.name: tuple(side.dim_value for side in value.type.tensor_type.shape.dim)
            for value in (*graph.input, *graph.value_info, *graph.output)
        }

    def shape(self, value: str) -> Shape:
        """Of a value, without N. Raises Unsupported: it does not begin with one picture."""
        first, *sides = self._shapes[value] or (0,)
        if first != 1:
            raise Unsupported(f"value '{value}' is {list(self._shapes[value])}: it mixes pictures, or is of none")
        return tuple(sides)

    def is_constant(self, value: str) -> bool:
        return value in self._constants

    def constant(self, node: OnnxNode, position: int) -> NDArray[Any] | None:
        """An input that does not depend on the picture, None where it is left out. Raises Unsupported where it does."""
        if len(node.inputs) <= position or not node.inputs[position]:
            return None
        if node.inputs[position] not in self._constants:
            raise node.refused(f"has an input {position} that depends on the picture; only a constant is supported")
        return self._constants[node.inputs[position]]

    def weight(self, node: OnnxNode, position: int) -> Tensor:
        """As `constant`, one that is there, float32."""
        found = self.constant(node, position)
        assert found is not None
        return torch.from_numpy(np.array(found, np.float32))

    def read(self, node: OnnxNode, position: int = 0) -> str:
        """The layer that gives an input. Raises Unsupported where it is a constant."""
        value = node.inputs[position]
        if value not in self._layer_of:
            raise node.refused(f"has a constant input {position}; a value computed from the picture is expected")
        return self._layer_of[value]

    def give(self, value: str, layer: str) -> None:
        """Let a value of the program stand for what a layer gives."""
        self._layer_of[value] = layer

    def give_constant(self, value: str, constant: NDArray[Any]) -> None:
        self._constants[value] = constant

    def layer(self, value: str) -> str:
        return self._layer_of[value]

    def add(self, node: OnnxNode, operation: Operation, inputs: Sequence[str], suffix: str = "") -> str:
        """Add a layer, named after the weights of its node, else after the node; in our own programs as it was."""
        base = self._name_of(node) + suffix
        name, count = base, 1
        while name in self.layers or name == INPUT:
            count += 1
            name = f"{base}_{count}"
        self.layers[name] = Layer(name, operation, tuple(inputs))
        return name

    def flattened(self, node: OnnxNode) -> str:
        """The first input under the output's shape: the same, or a vector. Raises Unsupported for any other."""
        before, after = self.shape(node.inputs[0]), self.shape(node.outputs[0])
        if before == after:
            return self.read(node)
        if len(after) != 1:
            raise node.refused(f"makes {list(after)} of {list(before)}; only flattening to [N, C] is supported")
        return self.add(node, Flatten(), [self.read(node)])

    def _name_of(self, node: OnnxNode) -> str:
        if self._ours:
            return node.name.partition(":")[0]
        weights = [each for each in node.inputs[1:] if each in self._constants and "." in each]
        if weights:
            return re.sub(r"^.*Fusion_[A-Za-z]+_", "", weights[0]).rpartition(".")[0]
        return node.name.strip("/").replace("/", ".")


Handler: TypeAlias = Callable[[Translation, OnnxNode], str]
"""Adds what a node computes to the layers, and names the layer that gives its first output."""


def padding_around(node: OnnxNode, size: Shape, window: Sequence[int], stride: Sequence[int]) -> Padding:
    """What a window's node pads its input with; `window` spans the pixels between a dilated kernel's taps too."""
    mode = node.get("auto_pad", "NOTSET")
    if mode in ("NOTSET", "VALID"):
        top, left, bottom, right = node.get("pads", (0, 0, 0, 0)) if mode == "NOTSET" else (0, 0, 0, 0)
        return left, right, top, bottom
    ends = []
    for side, span, step in zip(size, window, stride, strict=True):
        total = max((-(-side // step) - 1) * step + span - side, 0)
        less, more = total // 2, total - total // 2
        ends.append((less, more) if mode == "SAME_UPPER" else (more, less))
    (top, bottom), (left, right) = ends
    return left, right, top, bottom
