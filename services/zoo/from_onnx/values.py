"""ONNX's arithmetic, and its operators that move, cut, join or resize values, in our operations."""

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from quant.activation import Activation
from quant.operations import Activate, Add, BatchNorm, Concat, Mul, Pad, Reorg, Slice, Upsample
from services.zoo.from_onnx.reorg import REORG
from services.zoo.from_onnx.translation import Handler, OnnxNode, Shape, Translation

_GATED = {Activation.SIGMOID: Activation.SILU, Activation.HARDSIGMOID: Activation.HARDSWISH}


def _add(build: Translation, node: OnnxNode) -> str:
    position = _constant_side(build, node)
    if position is not None and len(node.inputs) == 2:
        return _affine(build, node, 1 - position, 1.0, build.weight(node, position))
    layers = [build.read(node, position) for position in range(len(node.inputs))]
    if len({build.shape(value) for value in node.inputs}) != 1:
        raise node.refused("adds values of different shapes; only those of one shape are supported")
    return build.add(node, Add(), layers)


def _sub(build: Translation, node: OnnxNode) -> str:
    position = _constant_side(build, node)
    if position is None:
        raise node.refused("takes one value from another; only a constant may be taken, or taken from")
    constant = build.weight(node, position)
    return _affine(build, node, 0, 1.0, -constant) if position else _affine(build, node, 1, -1.0, constant)


def _mul(build: Translation, node: OnnxNode) -> str:
    if (position := _constant_side(build, node)) is not None:
        return _affine(build, node, 1 - position, build.weight(node, position), 0.0)
    for one, other in ((0, 1), (1, 0)):
        gate = build.layers.get(build.read(node, other))
        if gate is None or not isinstance(gate.operation, Activate) or gate.inputs != (build.read(node, one),):
            continue
        if (whole := _GATED.get(gate.operation.activation)) is not None:
            return build.add(node, Activate(whole), [build.read(node, one)])
    out = build.shape(node.outputs[0])
    wide = 0 if build.shape(node.inputs[0]) == out else 1
    shape, factor = build.shape(node.inputs[wide]), build.shape(node.inputs[1 - wide])
    if shape != out or factor not in (shape, (*shape[:1], 1, 1)):
        raise node.refused(
            "multiplies values of different shapes; one factor for each channel, or each element, is supported"
        )
    return build.add(node, Mul(), [build.read(node, wide), build.read(node, 1 - wide)])


def _div(build: Translation, node: OnnxNode) -> str:
    if _constant_side(build, node) != 1:
        raise node.refused("divides by what depends on the picture; only division by a constant is supported")
    return _affine(build, node, 0, 1 / build.weight(node, 1), 0.0)


def _neg(build: Translation, node: OnnxNode) -> str:
    return _affine(build, node, 0, -1.0, 0.0)


def _constant_side(build: Translation, node: OnnxNode) -> int | None:
    return next((position for position, value in enumerate(node.inputs) if build.is_constant(value)), None)


def _affine(build: Translation, node: OnnxNode, position: int, scale: Tensor | float, shift: Tensor | float) -> str:
    """x * scale + shift, which is a batch norm where both are one number a channel."""
    shape = build.shape(node.inputs[position])
    if build.shape(node.outputs[0]) != shape:
        raise node.refused("enlarges a value by a constant, which is not supported")
    gain, offset = (_for_each_channel(node, torch.as_tensor(part), shape) for part in (scale, shift))
    norm = BatchNorm(gain, offset)
    return build.add(node, norm, [build.read(node, position)])


def _for_each_channel(node: OnnxNode, constant: Tensor, shape: Shape) -> Tensor:
    sizes = (1,) * (len(shape) + 1 - constant.dim()) + tuple(constant.shape)
    if sizes[0] != 1 or any(size != 1 for size in sizes[2:]):
        raise node.refused(f"has a constant of shape {list(constant.shape)}; only one number a channel is supported")
    return constant.float().reshape(-1).expand(shape[0]).contiguous()


def _same(build: Translation, node: OnnxNode) -> str:
    return build.flattened(node)


def _dropout(build: Translation, node: OnnxNode) -> str:
    training = build.constant(node, 2)
    if training is not None and training.any():
        raise node.refused("drops values at random; export in evaluation mode")
    return build.flattened(node)


def _concat(build: Translation, node: OnnxNode) -> str:
    if node.get("axis", 1) % (len(build.shape(node.outputs[0])) + 1) != 1:
        raise node.refused("joins along another axis than the channels")
    return build.add(node, Concat(), [build.read(node, position) for position in range(len(node.inputs))])


def _split(build: Translation, node: OnnxNode) -> str:
    if node.get("axis", 0) % (len(build.shape(node.inputs[0])) + 1) != 1:
        raise node.refused("cuts along another axis than the channels")
    start = 0
    for value in node.outputs:
        stop = start + build.shape(value)[0]
        build.give(value, build.add(node, Slice(start, stop), [build.read(node)], f"_{start}"))
        start = stop
    return build.layer(node.outputs[0])


def _slice(build: Translation, node: OnnxNode) -> str:
    shape = build.shape(node.inputs[0])
    parts = [build.constant(node, position) for position in range(1, 5)]
    starts, stops = (
        node.get(name, ()) if part is None else part.tolist()
        for name, part in zip(("starts", "ends"), parts, strict=False)
    )
    axes = node.get("axes", range(len(starts))) if parts[2] is None else parts[2].tolist()
    steps = [1] * len(starts) if parts[3] is None else parts[3].tolist()
    layer = build.read(node)
    for axis, first, last, step in zip(axes, starts, stops, steps, strict=True):
        at = axis % (len(shape) + 1)
        if at == 0 or step != 1 or len(shape) != 3:
            raise node.refused("cuts pictures out of a batch, or in steps; only channels, height and width can be cut")
        low, high, _ = slice(first, last).indices(shape[at - 1])
        if low >= high:
            raise node.refused("cuts everything away")
        if (low, high) != (0, shape[at - 1]):
            cut = -low, high - shape[at - 1]
            operation = Slice(low, high) if at == 1 else Pad((0, 0, *cut) if at == 2 else (*cut, 0, 0))
            layer = build.add(node, operation, [layer])
    return layer


def _pad(build: Translation, node: OnnxNode) -> str:
    given, fill, named = (build.constant(node, position) for position in (1, 2, 3))
    pads = list(node.get("pads", ())) if given is None else given.tolist()
    value = node.get("value", 0.0) if fill is None else float(np.reshape(fill, ()))
    rank = len(build.shape(node.inputs[0])) + 1
    axes = range(rank) if named is None else (named % rank).tolist()
    around = dict(zip(axes, zip(pads[: len(axes)], pads[len(axes) :], strict=True), strict=True))
    (top, bottom), (left, right) = (around.pop(axis, (0, 0)) for axis in (2, 3))
    if node.get("mode", "constant") != "constant" or value or rank != 4 or any(map(any, around.values())):
        raise node.refused("pads with something else than zeros around height and width")
    return build.add(node, Pad((left, right, top, bottom)), [build.read(node)])


_WHOLE_STEPS = {
    "asymmetric": ("floor",),
    **dict.fromkeys(
        ("half_pixel", "pytorch_half_pixel", "half_pixel_symmetric"), ("round_prefer_floor", "round_prefer_ceil")
    ),
}
"""How a nearest pixel may be found: where each pixel becomes a square of as many as the factor says."""


def _resize(build: Translation, node: OnnxNode) -> str:
    before, after = build.shape(node.inputs[0]), build.shape(node.outputs[0])
    if node.get("mode", "nearest") != "nearest" or len(before) != 3 or before[0] != after[0]:
        raise node.refused("resizes otherwise than to the nearest pixel, which is all that is supported")
    factor = after[1] // before[1]
    # They stand behind a region since opset 11, and are left out or empty where the size is given.
    scales = build.constant(node, 1 if len(node.inputs) == 2 else 2)
    whole = scales is None or not scales.size or all(scale in (1, factor) for scale in scales.tolist())
    if (before[1] * factor, before[2] * factor) != after[1:] or not whole:
        raise node.refused(f"enlarges {before[1:]} to {after[1:]}; only whole factors are supported")
    if node.kind == "Resize" and build.opset > 10:
        places = node.get("coordinate_transformation_mode", "half_pixel")
        nearest = node.get("nearest_mode", "round_prefer_floor")
        halves = (places, nearest, factor) == ("asymmetric", "round_prefer_floor", 2)
        if not halves and nearest not in _WHOLE_STEPS.get(places, ()):
            raise node.refused(f"finds nearest pixels by {places} and {nearest}, which is not supported")
    return build.add(node, Upsample(factor), [build.read(node)])


def _reorg(build: Translation, node: OnnxNode) -> str:
    return build.add(node, Reorg(node.get("stride", 1)), [build.read(node)])


VALUES: Mapping[str, Handler] = {
    "Add": _add,
    "Sum": _add,
    "Sub": _sub,
    "Mul": _mul,
    "Div": _div,
    "Neg": _neg,
    **dict.fromkeys(("Identity", "Flatten", "Reshape", "Squeeze"), _same),
    "Dropout": _dropout,
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    REORG: _reorg,
    **dict.fromkeys(("Resize", "Upsample"), _resize),
}
