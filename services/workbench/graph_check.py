"""A graph from a file, tried before it runs: the shape of every value worked out, and no number computed.

torch can do so by itself (its device `meta`), and takes 900 modules and 130 MB of memory for it.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import fields
from math import prod

from quant.graph import INPUT, Graph
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
    Pair,
    Region,
    Reorg,
    Slice,
    Softmax,
    Upsample,
    Yolo,
)
from services.edge.errors import InvalidWeights

Shape = tuple[int, ...]
"""Of a value without N: (C, H, W) or (C,)."""

_MOST_ELEMENTS = 1 << 29
"""Of the values that are held at a time, 2 GiB of float32; YOLOv3 at 2048 pixels has less than half of it."""
_AT_LEAST_1 = frozenset({"stride", "dilation", "kernel", "groups", "factor", "classes"})


def check_runs(graph: Graph) -> None:
    """Raises InvalidWeights: a layer cannot run on what it reads, or too much is held at a time; names the layer."""
    readers_left = Counter(name for layer in graph.layers for name in layer.inputs)
    alive: dict[str, Shape] = {INPUT: graph.input_shape}
    if min(graph.input_shape) < 1:
        raise InvalidWeights(f"the graph's input is {list(graph.input_shape)}; each must be 1 at least")
    for layer in graph.layers:
        _check_counts(layer.name, layer.operation)
        read = [alive[name] for name in layer.inputs]
        shape = shape_after(layer.operation, read)
        if shape is None or min(shape) < 1:
            raise InvalidWeights(
                f"layer {layer.name!r} cannot run on what it reads: {type(layer.operation).__name__} "
                f"of {', '.join(map(str, map(list, read)))}"
            )
        alive[layer.name] = shape
        if sum(map(prod, alive.values())) + _border(layer.operation, read[0]) > _MOST_ELEMENTS:
            raise InvalidWeights(
                f"layer {layer.name!r} gives {list(shape)}: more than {_MOST_ELEMENTS} elements at a time"
            )
        readers_left.subtract(layer.inputs)
        for name in {layer.name, *layer.inputs}:
            if not readers_left[name]:
                del alive[name]


def shape_after(operation: Operation, inputs: Sequence[Shape]) -> Shape | None:
    """The shape of an operation's value; None where it does not run on values of these shapes.

    Args:
        inputs: as many as the operation takes.
    """
    first, *others = inputs
    channels, sides = first[0], first[1:]
    is_map = len(first) == 3
    match operation:
        case Conv2d() if is_map and operation.weight.dim() == 4:
            shape = _convolved(operation, first)
            return shape if all(each == shape for each in others) else None
        case Linear() if operation.weight.shape[1:] == first:
            return (operation.weight.shape[0],)
        case BatchNorm() if operation.scale.shape == operation.shift.shape == (channels,):
            return first
        case MaxPool(kernel, stride, padding) | AvgPool(kernel, stride, padding) if is_map and _covers(kernel, padding):
            return channels, *_windows(_padded(sides, padding), kernel, stride)
        case GlobalAvgPool() if is_map:
            return channels, 1, 1
        case Add() if all(each == first for each in others):
            return first
        case Mul() if others[0] in (first, (channels, *[1] * len(sides))):
            return first
        case Concat() if all(each[1:] == sides for each in others):
            return sum(each[0] for each in inputs), *sides
        case Slice(start, stop) if 0 <= start < stop <= channels:
            return stop - start, *sides
        case Upsample(factor) if is_map:
            return channels, *(side * factor for side in sides)
        case Reorg(step) if is_map and not (channels % step**2 or any(side % step for side in sides)):
            return channels * step**2, *(side // step for side in sides)
        case Pad(padding) if is_map:
            return channels, *_padded(sides, padding)
        case Flatten():
            return (prod(first),)
        case Activate() | Softmax():
            return first
        case Yolo() | Region() if is_map and channels == len(operation.anchors) * (5 + operation.classes):
            return first
        case _:
            return None


def _covers(kernel: Pair, padding: Padding) -> bool:
    """Does each window of a pool hold a pixel? Padding alone has no largest value, and no mean."""
    left, right, top, bottom = padding
    return min(padding) >= 0 and max(top, bottom) < kernel[0] and max(left, right) < kernel[1]


def _convolved(operation: Conv2d, shape: Shape) -> Shape | None:
    filters, read, *_ = operation.weight.shape
    channels, *sides = shape
    if read * operation.groups != channels or filters % operation.groups or min(operation.padding) < 0:
        return None
    padded = [side + 2 * more for side, more in zip(sides, operation.padding, strict=True)]
    return filters, *_windows(padded, operation.window, operation.stride)


def _border(operation: Operation, shape: Shape) -> int:
    """How many elements the input of a convolution has with its padding: integers are copied between borders."""
    if not isinstance(operation, Conv2d):
        return 0
    channels, *sides = shape
    return channels * prod(side + 2 * more for side, more in zip(sides, operation.padding, strict=True))


def _windows(sides: Sequence[int], window: Pair, stride: Pair) -> list[int]:
    """How many windows fit along H and W."""
    return [(side - size) // step + 1 for side, size, step in zip(sides, window, stride, strict=True)]


def _padded(sides: Sequence[int], padding: Padding) -> list[int]:
    left, right, top, bottom = padding
    return [sides[0] + top + bottom, sides[1] + left + right]


def _check_counts(layer: str, operation: Operation) -> None:
    for part in fields(operation):
        value = getattr(operation, part.name)
        if part.name in _AT_LEAST_1 and min(value if isinstance(value, tuple) else (value,)) < 1:
            raise InvalidWeights(f"layer {layer!r}: {part.name} is {value}, and must be 1 at least")
