"""Torch's operators that move, cut, join or resize values, in our operations."""

from collections.abc import Mapping
from typing import Any

from torch.fx import Node

from quant.operations import Concat, Pad, Slice, Upsample
from services.edge.errors import Unsupported
from services.zoo.exported.builder import MIXES, Handler, LayerBuilder, Shape, Value
from services.zoo.exported.nodes import arguments_of, operator_name, place


def _same(build: LayerBuilder, node: Node) -> Value:
    build.shape(node)
    return build.value(node.args[0])


def _reshape(build: LayerBuilder, node: Node) -> Value:
    return build.reshaped(node, node.args[0])


def _expand(build: LayerBuilder, node: Node) -> Value:
    if build.shape(node) != build.shape(node.args[0]):
        raise Unsupported(f"{place(node)} repeats values along an axis")
    return build.value(node.args[0])


def _permute(build: LayerBuilder, node: Node) -> Value:
    """A transposition that moves no element past another, because all axes but one of those it moves are 1."""
    before, after = build.shape(node.args[0]), build.shape(node)
    x, order = node.args[0], list(range(len(before) + 1))
    if operator_name(node) == "permute":
        order = [axis % len(order) for axis in arguments_of(node, (None, None))[1]]
    else:
        _, one, other = arguments_of(node, (None, 0, 1))
        order[one], order[other] = order[other], order[one]
    wide = [axis for axis in order if axis and before[axis - 1] != 1]
    if order[0] or wide != sorted(wide):
        raise Unsupported(f"{place(node)} moves the elements of {list(before)} to {list(after)}")
    return build.reshaped(node, x)


def _concat(build: LayerBuilder, node: Node) -> Value:
    parts, axis = arguments_of(node, (None, 0))
    if axis % (len(build.shape(node)) + 1) != 1:
        raise Unsupported(f"{place(node)} joins along axis {axis}; only channels are supported")
    return build.add(node, Concat(), [build.read(part) for part in parts])


def _split(build: LayerBuilder, node: Node) -> tuple[Value, ...]:
    x, _, axis = arguments_of(node, (None, None, 0))
    shape = build.shape(x)
    axis %= len(shape) + 1
    sizes = [int(part.shape[axis]) for part in node.meta["val"]]
    starts = [sum(sizes[:index]) for index in range(len(sizes))]
    return tuple(_cut(build, node, x, axis, start, start + size) for start, size in zip(starts, sizes, strict=True))


def _slice(build: LayerBuilder, node: Node) -> Value:
    x, axis, start, stop, step = arguments_of(node, (None, 0, None, None, 1))
    axis %= len(build.shape(x)) + 1
    if axis == 0 and not _whole(start, stop, step):
        raise Unsupported(f"{place(node)} {MIXES}")
    if axis == 0:
        return build.value(x)
    if step != 1:
        raise Unsupported(f"{place(node)}: only slices of channels, height or width in steps of one are supported")
    first, last, _ = slice(start, stop).indices(build.shape(x)[axis - 1])
    return _cut(build, node, x, axis, first, last)


def _select(build: LayerBuilder, node: Node) -> Value:
    x, axis, index = arguments_of(node, (None, 0, 0))
    shape = build.shape(x)
    axis %= len(shape) + 1
    if axis == 0:
        raise Unsupported(f"{place(node)} {MIXES}")
    index %= shape[axis - 1]
    cut = _cut(build, node, x, axis, index, index + 1)
    build.shape(node)
    return cut


def _slice_scatter(build: LayerBuilder, node: Node) -> Value:
    """A write into a slice of channels: what lies before it, what is written, what lies behind it."""
    x, part, axis, start, stop, step = arguments_of(node, (None, None, 0, None, None, 1))
    shape = build.shape(x)
    axis %= len(shape) + 1
    if axis == 0 and _whole(start, stop, step):
        return build.value(part)
    first, last, _ = slice(start, stop).indices(shape[axis - 1] if axis else 0)
    if axis and (first, last, step) == (0, shape[axis - 1], 1):
        return build.value(part)
    if axis != 1 or step != 1:
        raise Unsupported(f"{place(node)} writes into a part of a value; only parts of its channels are supported")
    pieces = [
        _cut(build, node, x, 1, 0, first).layer if first else None,
        build.read(part),
        _cut(build, node, x, 1, last, shape[0]).layer if last < shape[0] else None,
    ]
    return build.add(node, Concat(), [piece for piece in pieces if piece])


def _copy(build: LayerBuilder, node: Node) -> Value:
    """A value written over a whole other one."""
    into, source = node.args[:2]
    if build.is_constant(source) or build.shape(into) != build.shape(source):
        raise Unsupported(f"{place(node)} writes over a value something of another shape")
    return build.value(source)


def _cut(build: LayerBuilder, node: Node, x: Any, axis: int, first: int, last: int) -> Value:
    """Elements `first` to `last` (excluded) along an axis of a feature map; the whole value where that is all."""
    value = build.value(x)
    if (first, last) == (0, build.shape(x)[axis - 1]):
        return value
    axis = build.layer_axis(x, axis) or 0
    if last <= first:
        raise Unsupported(f"{place(node)} cuts nothing out of a value")
    size = value.shape[axis - 1]
    out = tuple(last - first if each == axis else side for each, side in enumerate(value.shape, start=1))
    if axis == 1:
        return build.add(node, Slice(first, last), [value.layer], out)
    cut = (-first, last - size)
    return build.add(node, Pad((0, 0, *cut) if axis == 2 else (*cut, 0, 0)), [value.layer], out)


def _whole(start: Any, stop: Any, step: Any) -> bool:
    """True for `[:]`: a stop that is a number in reach would take some of a larger batch."""
    return start in (None, 0) and step == 1 and (stop is None or (isinstance(stop, int) and stop >= 2**62))


def _pad(build: LayerBuilder, node: Node) -> Value:
    x, padding, mode, value = _pad_arguments(node)
    if mode != "constant" or value or len(padding) > 4 or len(build.shape(x)) != 3:
        raise Unsupported(f"{place(node)}: only zeros around height and width are supported")
    left, right, top, bottom = (*padding, 0, 0, 0, 0)[:4]
    return build.add(node, Pad((left, right, top, bottom)), [build.read(x)])


def _pad_arguments(node: Node) -> tuple[Any, list[int], str, float]:
    if operator_name(node) == "pad":
        x, padding, mode, value = arguments_of(node, (None, None, "constant", None))
        return x, padding, mode, value or 0.0
    x, padding, value = arguments_of(node, (None, None, 0.0))
    return x, padding, "constant", value


def _upsample(build: LayerBuilder, node: Node) -> Value:
    x, _, *scales = arguments_of(node, (None, None, None, None))
    (H, W), (out_h, out_w) = _sides(build.shape(x)), _sides(build.shape(node))
    factor = out_h // H
    # A factor of 3.1 that gives as many pixels as 3 would takes others.
    given = (scale for part in scales if part for scale in (part if isinstance(part, list) else [part]))
    if (H * factor, W * factor) != (out_h, out_w) or any(scale != factor for scale in given):
        raise Unsupported(f"{place(node)} enlarges {H}x{W} to {out_h}x{out_w}; only whole factors are supported")
    return build.add(node, Upsample(factor), [build.read(x)])


def _sides(shape: Shape) -> tuple[int, int]:
    _, height, width = shape
    return height, width


SHAPES: Mapping[str, Handler] = {
    **dict.fromkeys(("alias", "contiguous", "clone", "detach", "lift_fresh_copy"), _same),
    **dict.fromkeys(("flatten", "view", "_unsafe_view", "reshape", "squeeze", "unsqueeze"), _reshape),
    **dict.fromkeys(("permute", "transpose"), _permute),
    **dict.fromkeys(("split", "split_with_sizes", "chunk"), _split),
    **dict.fromkeys(("pad", "constant_pad_nd"), _pad),
    "expand": _expand,
    "cat": _concat,
    "slice": _slice,
    "select": _select,
    "slice_scatter": _slice_scatter,
    "copy": _copy,
    "upsample_nearest2d": _upsample,
}
