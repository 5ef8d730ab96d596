"""Sums, differences, products and quotients; with a constant, one number a channel, they are norms."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from quant.operations import Add, BatchNorm, Mul
from services.edge.errors import Unsupported
from services.zoo.exported.builder import Handler, LayerBuilder, Value
from services.zoo.exported.nodes import arguments_of, operator_name, place


def _operands(node: Node) -> tuple[Any, Any, Any]:
    """Both sides, and the factor of the second."""
    a, b, alpha = arguments_of(node, (None, None, 1))
    return a, b, alpha


def _add(build: LayerBuilder, node: Node) -> Value:
    a, b, alpha = _operands(node)
    if build.is_constant(a):
        return _affine(build, node, b, alpha * torch.ones(()), build.constant(a))
    if build.is_constant(b):
        return _affine(build, node, a, torch.ones(()), alpha * build.constant(b))
    if alpha != 1 or not build.shape(a) == build.shape(b) == build.shape(node):
        raise Unsupported(f"{place(node)}: only the sum of two values of one shape is supported")
    return build.add(node, Add(), [build.read(a), build.read(b)])


def _sub(build: LayerBuilder, node: Node) -> Value:
    a, b, alpha = _operands(node)
    if operator_name(node) == "rsub":
        a, b = b, a
    if build.is_constant(a):
        return _affine(build, node, b, -alpha * torch.ones(()), build.constant(a))
    if not build.is_constant(b):
        raise Unsupported(f"{place(node)}: the difference of two values is not supported, only of one and a constant")
    return _affine(build, node, a, torch.ones(()), -alpha * build.constant(b))


def _mul(build: LayerBuilder, node: Node) -> Value:
    a, b, _ = _operands(node)
    if build.is_constant(a):
        a, b = b, a
    if build.is_constant(b):
        return _affine(build, node, a, build.constant(b), torch.zeros(()))
    wide, narrow = (a, b) if build.shape(a) == build.shape(node) else (b, a)
    shape, factor = build.shape(wide), build.shape(narrow)
    if shape != build.shape(node) or factor not in (shape, (*shape[:1], 1, 1)):
        raise Unsupported(
            f"{place(node)}: only the product of two values of one shape, or of one and a factor for each channel, "
            "is supported"
        )
    return build.add(node, Mul(), [build.read(wide), build.read(narrow)])


def _div(build: LayerBuilder, node: Node) -> Value:
    a, b, _ = _operands(node)
    if not build.is_constant(b) or node.kwargs.get("rounding_mode"):
        raise Unsupported(f"{place(node)}: only division by a constant is supported")
    return _affine(build, node, a, 1 / build.constant(b), torch.zeros(()))


def _neg(build: LayerBuilder, node: Node) -> Value:
    return _affine(build, node, node.args[0], -torch.ones(()), torch.zeros(()))


def _affine(build: LayerBuilder, node: Node, x: Any, scale: Tensor, shift: Tensor) -> Value:
    """x * scale + shift, which is a batch norm where both are one number a channel."""
    shape = build.shape(x)
    if build.shape(node) != shape:
        raise Unsupported(f"{place(node)} enlarges {list(shape)} to {list(build.shape(node))}")
    norm = BatchNorm(for_each_channel(node, scale, shape), for_each_channel(node, shift, shape))
    return build.add(node, norm, [build.read(x)])


def for_each_channel(node: Node, constant: Tensor, shape: tuple[int, ...]) -> Tensor:
    """The constant as float32 [C], as it meets a value of that shape."""
    sizes = (1,) * (len(shape) + 1 - constant.dim()) + tuple(constant.shape)
    if sizes[0] != 1 or any(size != 1 for size in sizes[2:]):
        raise Unsupported(
            f"{place(node)} has a constant of shape {list(constant.shape)}; only one number a channel is supported"
        )
    return constant.float().reshape(-1).expand(shape[0]).contiguous()


ARITHMETIC: Mapping[str, Handler] = {
    "add": _add,
    "sub": _sub,
    "rsub": _sub,
    "mul": _mul,
    "div": _div,
    "neg": _neg,
}
