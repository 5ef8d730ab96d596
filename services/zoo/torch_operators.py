"""What torch's operators are in our operations: a handler for each operator there is a counterpart for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from quant.activation import LEAKY_SLOPE, Activation
from quant.operations import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Mul,
    Operation,
    Pad,
    Padding,
    Slice,
    Softmax,
    Upsample,
)
from services.edge.errors import Unsupported

_ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation.RELU,
    "relu6": Activation.RELU6,
    "silu": Activation.SILU,
    "sigmoid": Activation.SIGMOID,
    "hardswish": Activation.HARDSWISH,
    "hardsigmoid": Activation.HARDSIGMOID,
    "mish": Activation.MISH,
}

WeightOf = Callable[[Any], Tensor]
"""The tensor that a node stands for, where it is a weight."""

Handler = Callable[[WeightOf, Node], tuple[Operation | None, list[Node]]]
"""-> the operation (None: nothing to do) and the nodes it reads."""


def _conv2d(weight_of: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x, weight, bias, stride, padding, dilation, groups = _arguments(node, (None, None, None, 1, 0, 1, 1))
    w = weight_of(weight)
    if isinstance(padding, str):
        raise Unsupported(f"{node.name!r} pads by name ({padding!r}); give numbers")
    b = weight_of(bias) if bias is not None else torch.zeros(w.shape[0])
    return Conv2d(w, b, _pair(stride), _pair(padding), _pair(dilation), groups), [x]


def _linear(weight_of: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x, weight, bias = _arguments(node, (None, None, None))
    w = weight_of(weight)
    return Linear(w, weight_of(bias) if bias is not None else torch.zeros(w.shape[0])), [x]


def _batch_norm(weight_of: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x, weight, bias, mean, variance, _, _, eps = _arguments(node, (None,) * 8)
    deviation = (weight_of(variance).double() + eps).sqrt()
    gain = weight_of(weight).double() if weight is not None else torch.ones_like(deviation)
    offset = weight_of(bias).double() if bias is not None else torch.zeros_like(deviation)
    scale = gain / deviation
    return BatchNorm(scale.float(), (offset - weight_of(mean).double() * scale).float()), [x]


def _activation(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    return Activate(_ACTIVATIONS[operator_name(node)]), [node_of(node.args[0])]


def _hardtanh(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x, low, high = _arguments(node, (None, -1.0, 1.0))
    if (low, high) != (0, 6):
        raise Unsupported(f"{node.name!r} clips to [{low}, {high}]; only [0, 6] is supported")
    return Activate(Activation.RELU6), [x]


def _leaky_relu(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x, slope = _arguments(node, (None, 0.01))
    if slope != LEAKY_SLOPE:
        raise Unsupported(f"{node.name!r} has the slope {slope}; only {LEAKY_SLOPE} is supported")
    return Activate(Activation.LEAKY), [x]


def _gelu(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    if node.kwargs.get("approximate", "none") != "none":
        raise Unsupported(f"{node.name!r} approximates gelu; only the exact one is supported")
    return Activate(Activation.GELU), [node_of(node.args[0])]


def _max_pool(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x, kernel, stride, padding, dilation = _arguments(node, (None, None, None, 0, 1))
    if _pair(dilation) != (1, 1):
        raise Unsupported(f"{node.name!r} pools with dilation")
    kernel, stride = _pair(kernel), _pair(stride or kernel)
    return MaxPool(kernel, stride, _pool_padding(node, x, kernel, stride, _pair(padding))), [x]


def _avg_pool(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x, kernel, stride, padding, ceil, include, divisor = _arguments(node, (None, None, None, 0, False, True, None))
    if divisor is not None or (ceil and include):
        raise Unsupported(f"{node.name!r} averages with a divisor of its own or rounds its size up")
    kernel, stride = _pair(kernel), _pair(stride or kernel)
    return AvgPool(kernel, stride, _pool_padding(node, x, kernel, stride, _pair(padding)), include), [x]


def _adaptive_avg_pool(_: WeightOf, node: Node) -> tuple[Operation | None, list[Node]]:
    x = node_of(node.args[0])
    (H, W), (out_h, out_w) = shape_of(x)[2:], shape_of(node)[2:]
    if (out_h, out_w) == (H, W):
        return None, [x]
    if (out_h, out_w) == (1, 1):
        return GlobalAvgPool(), [x]
    if H % out_h or W % out_w:
        raise Unsupported(f"{node.name!r} averages {H}x{W} to {out_h}x{out_w}, which does not divide")
    kernel = (H // out_h, W // out_w)
    return AvgPool(kernel, kernel), [x]


def _mean(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x, axes, _ = _arguments(node, (None, None, False))
    if sorted(axis % 4 for axis in axes) != [2, 3]:
        raise Unsupported(f"{node.name!r}: only a mean over height and width is supported")
    return GlobalAvgPool(), [x]


def _add(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    a, b = node.args[:2]
    if (
        not (isinstance(a, Node) and isinstance(b, Node))
        or node.kwargs.get("alpha", 1) != 1
        or shape_of(a) != shape_of(b)
    ):
        raise Unsupported(f"{node.name!r}: only the sum of two values of one shape is supported")
    return Add(), [node_of(a), node_of(b)]


def _mul(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    a, b = node.args[:2]
    if not (isinstance(a, Node) and isinstance(b, Node)):
        raise Unsupported(f"{node.name!r}: only the product of two values is supported")
    wide, narrow = (a, b) if shape_of(a)[2:] != (1, 1) else (b, a)
    return Mul(), [wide, narrow]


def _concat(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    parts, axis = _arguments(node, (None, 0))
    if axis % len(shape_of(node)) != 1:
        raise Unsupported(f"{node.name!r} joins along axis {axis}; only channels are supported")
    return Concat(), [node_of(part) for part in parts]


def _flatten(_: WeightOf, node: Node) -> tuple[Operation | None, list[Node]]:
    x = node_of(node.args[0])
    before, after = shape_of(x), shape_of(node)
    if len(before) != 4 or len(after) != 2 or before[0] != after[0]:
        raise Unsupported(f"{node.name!r} reshapes {before} to {after}; only flattening to [N, C] is supported")
    return Flatten(), [x]


def _softmax(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    if _arguments(node, (None, -1))[1] % len(shape_of(node)) != 1:
        raise Unsupported(f"{node.name!r}: only a softmax over the channels is supported")
    return Softmax(), [node_of(node.args[0])]


def _pad(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x, padding, mode, value = _pad_arguments(node)
    if mode != "constant" or value or len(padding) > 4:
        raise Unsupported(f"{node.name!r}: only zeros around height and width are supported")
    left, right, top, bottom = (*padding, 0, 0, 0, 0)[:4]
    return Pad((left, right, top, bottom)), [x]


def _slice(_: WeightOf, node: Node) -> tuple[Operation | None, list[Node]]:
    x, axis, start, stop, step = _arguments(node, (None, 0, None, None, 1))
    shape = shape_of(x)
    size = shape[axis]
    first, last, _step = slice(start, stop).indices(size)
    if (first, last, step) == (0, size, 1):
        return None, [x]
    if step != 1 or len(shape) != 4 or axis % 4 == 0:
        raise Unsupported(f"{node.name!r}: only slices of channels, height or width in steps of one are supported")
    if axis % 4 == 1:
        return Slice(first, last), [x]
    cut = (-first, last - size)
    return Pad((0, 0, *cut) if axis % 4 == 2 else (*cut, 0, 0)), [x]


def _upsample(_: WeightOf, node: Node) -> tuple[Operation, list[Node]]:
    x = node_of(node.args[0])
    (H, W), (out_h, out_w) = shape_of(x)[2:], shape_of(node)[2:]
    if out_h % H or out_h // H * W != out_w:
        raise Unsupported(f"{node.name!r} enlarges {H}x{W} to {out_h}x{out_w}; only whole factors are supported")
    return Upsample(out_h // H), [x]


HANDLERS: Mapping[str, Handler] = {
    **dict.fromkeys(_ACTIVATIONS, _activation),
    "conv2d": _conv2d,
    "linear": _linear,
    "batch_norm": _batch_norm,
    "hardtanh": _hardtanh,
    "leaky_relu": _leaky_relu,
    "gelu": _gelu,
    "max_pool2d": _max_pool,
    "avg_pool2d": _avg_pool,
    "adaptive_avg_pool2d": _adaptive_avg_pool,
    "mean": _mean,
    "add": _add,
    "mul": _mul,
    "cat": _concat,
    "flatten": _flatten,
    "view": _flatten,
    "reshape": _flatten,
    "softmax": _softmax,
    "pad": _pad,
    "constant_pad_nd": _pad,
    "slice": _slice,
    "upsample_nearest2d": _upsample,
}


def operator_name(node: Node) -> str:
    """torch's name without overload and without the underscore of its in-place form, which export has made harmless."""
    name: str = getattr(node.target, "_opname", str(node.target))
    return name if name.startswith("_") or not name.endswith("_") else name[:-1]


def _arguments(node: Node, defaults: Sequence[Any]) -> list[Any]:
    """The node's first positional arguments, by keyword where given so, filled up with the defaults."""
    schema = node.target._schema.arguments  # type: ignore[union-attr]
    given = dict(zip((argument.name for argument in schema), node.args, strict=False)) | node.kwargs
    return [given.get(argument.name, default) for argument, default in zip(schema, defaults, strict=False)]


def _pad_arguments(node: Node) -> tuple[Node, list[int], str, float]:
    if operator_name(node) == "pad":
        x, padding, mode, value = _arguments(node, (None, None, "constant", None))
        return x, padding, mode, value or 0.0
    x, padding, value = _arguments(node, (None, None, 0.0))
    return x, padding, "constant", value


def _pool_padding(node: Node, x: Any, kernel: Any, stride: Any, padding: tuple[int, int]) -> Padding:
    """Symmetric padding, and more at the far end where torch rounds the output's size up."""
    sizes = zip(shape_of(x)[2:], shape_of(node)[2:], kernel, stride, padding, strict=True)
    (top, bottom), (left, right) = (
        (before, before + max(0, (out - 1) * step + window - size - 2 * before))
        for size, out, window, step, before in sizes
    )
    return left, right, top, bottom


def _pair(value: Any) -> tuple[int, int]:
    if isinstance(value, int):
        return value, value
    first, *rest = value
    return first, rest[0] if rest else first


def shape_of(node: Any) -> tuple[int, ...]:
    """Of a node's value, N included; where N is left open, the example's."""
    return tuple(int(size) for size in node.meta["val"].shape)


def node_of(argument: Any) -> Node:
    """The argument, which must be another node. Raises Unsupported."""
    if not isinstance(argument, Node):
        raise Unsupported(f"expected a value in the exported program, found {argument!r}")
    return argument
