"""Each of the engine's operations in ONNX's, on float32; their definition is `Operation.run`."""

from collections.abc import Sequence

import numpy as np
import torch
from onnx import numpy_helper

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
    Region,
    Reorg,
    Slice,
    Softmax,
    Upsample,
    Yolo,
)
from services.zoo.onnx_form.writer import OnnxWriter

Shape = tuple[int, ...]

_NAMED = {
    Activation.RELU: "Relu",
    Activation.SIGMOID: "Sigmoid",
    Activation.HARDSWISH: "HardSwish",
    Activation.MISH: "Mish",
    Activation.GELU: "Gelu",
}

REORG_ORDER = (0, 3, 5, 1, 2, 4)
"""Of the axes of [N, C / stride^2, H, stride, W, stride]: what `quant.operations.Reorg` moves the blocks by."""


def activation_of(operation: Operation) -> Activation:
    """What an operation ends with."""
    return getattr(operation, "activation", Activation.NONE)


def write_operation(
    write: OnnxWriter, name: str, operation: Operation, inputs: Sequence[str], shape: Shape, parameters: Sequence[str]
) -> str:
    """Write an operation without its activation; the name of its value.

    Args:
        name: what its values' names begin with.
        shape: of the first input, without N.
        parameters: names of weight and bias, for operations that have them.
    """
    x = inputs[0]
    match operation:
        case Conv2d():
            return _convolution(write, name, operation, inputs, parameters)
        case Linear():
            return write.node("Gemm", [x, *parameters], f"{name}:product", transB=1)
        case BatchNorm():
            sides = (1, -1) + (1,) * (len(shape) - 1)
            scale = write.constant(f"{name}:factor", operation.scale.view(sides))
            shift = write.constant(f"{name}:shift", operation.shift.view(sides))
            return write.node("Add", [write.node("Mul", [x, scale], f"{name}:scaled"), shift], f"{name}:shifted")
        case MaxPool():
            return write.node("MaxPool", [x], f"{name}:pooled", **_window(operation))
        case AvgPool():
            return _mean(write, name, operation, x, shape)
        case GlobalAvgPool():
            return write.node("GlobalAveragePool", [x], f"{name}:mean")
        case Add():
            total = x
            for number, other in enumerate(inputs[1:], 1):
                total = write.node("Add", [total, other], f"{name}:sum{number}")
            return total
        case Mul():
            return write.node("Mul", inputs, f"{name}:product")
        case Concat():
            return write.node("Concat", inputs, f"{name}:joined", axis=1)
        case Activate():
            return x
        case Flatten():
            return write.node("Flatten", [x], f"{name}:vector", axis=1)
        case Softmax():
            return write.node("Softmax", [x], f"{name}:shares", axis=1)
        case _:
            return _moved(write, name, operation, x, shape)


def _moved(write: OnnxWriter, name: str, operation: Operation, x: str, shape: Shape) -> str:
    """What cuts, enlarges or reorders a feature map; detection heads."""
    match operation:
        case Slice():
            return _channels(write, f"{name}:part", x, operation.start, operation.stop)
        case Upsample():
            # a node, not a constant: the numbers of a program that stand for weights are its constants
            factors = [1.0, 1.0, float(operation.factor), float(operation.factor)]
            scales = write.node("Constant", [], f"{name}:scales", value_floats=factors)
            kept = {"coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor", "mode": "nearest"}
            return write.node("Resize", [x, "", scales], f"{name}:enlarged", **kept)
        case Pad():
            left, right, top, bottom = operation.padding
            pads = write.constant(f"{name}:pads", [0, 0, top, left, 0, 0, bottom, right])
            return write.node("Pad", [x, pads], f"{name}:padded")
        case Reorg():
            return _reorganised(write, name, operation.stride, x, shape)
        case Yolo():
            return _yolo(write, name, operation, x, shape)
        case Region():
            return _region(write, name, operation, x, shape)
        case _:
            raise NotImplementedError(type(operation).__name__)


def write_activation(write: OnnxWriter, name: str, activation: Activation, x: str) -> str:
    """Write an activation; the name of its value."""
    output = f"{name}:active"
    match activation:
        case Activation.NONE:
            return x
        case Activation.RELU6:
            low, high = (write.constant(f"{name}:{end}", torch.tensor(v)) for end, v in (("low", 0.0), ("high", 6.0)))
            return write.node("Clip", [x, low, high], output)
        case Activation.LEAKY:
            return write.node("LeakyRelu", [x], output, alpha=LEAKY_SLOPE)
        case Activation.SILU:
            return write.node("Mul", [x, write.node("Sigmoid", [x], f"{name}:gate")], output)
        case Activation.HARDSIGMOID:
            return write.node("HardSigmoid", [x], output, alpha=1 / 6, beta=0.5)
        case _:
            return write.node(_NAMED[activation], [x], output)


def _convolution(write: OnnxWriter, name: str, conv: Conv2d, inputs: Sequence[str], parameters: Sequence[str]) -> str:
    (top, left), x = conv.padding, inputs[0]
    y = write.node(
        "Conv",
        [x, *parameters],
        f"{name}:product",
        kernel_shape=conv.weight.shape[2:],
        strides=conv.stride,
        pads=(top, left, top, left),
        dilations=conv.dilation,
        group=conv.groups,
    )
    return y if len(inputs) == 1 else write.node("Add", [y, inputs[1]], f"{name}:sum")


def _mean(write: OnnxWriter, name: str, pool: AvgPool, x: str, shape: Shape) -> str:
    """Means; where zeros around the map count, as a convolution in float.

    OpenVINO's pool would take the code 0 for such zeros, whatever number it stands for; it makes a Pad before part of
    the pool, and rounds to a code before a product behind it.
    """
    if not pool.count_include_pad or not any(pool.padding):
        return write.node("AveragePool", [x], f"{name}:mean", **_window(pool))
    height, width = pool.kernel
    weight = np.full((shape[0], 1, height, width), 1 / (height * width), np.float32)
    # a node, as the factors of Upsample
    weights = write.node("Constant", [], f"{name}:shares", value=numpy_helper.from_array(weight))
    return write.node("Conv", [x, weights], f"{name}:mean", group=shape[0], **_window(pool))


def _window(pool: MaxPool | AvgPool) -> dict[str, Sequence[int]]:
    return {"kernel_shape": pool.kernel, "strides": pool.stride, "pads": _around(pool.padding)}


def _around(padding: Padding) -> Sequence[int]:
    left, right, top, bottom = padding
    return top, left, bottom, right


def _channels(write: OnnxWriter, output: str, x: str, start: int, stop: int, axis: int = 1) -> str:
    ends = [write.constant(f"{output}:{word}", [at]) for word, at in (("from", start), ("to", stop), ("axis", axis))]
    return write.node("Slice", [x, *ends], output)


def _reshaped(write: OnnxWriter, output: str, x: str, shape: Sequence[int]) -> str:
    """`shape` without N, which stays as it is."""
    return write.node("Reshape", [x, write.constant(f"{output}:shape", [0, *shape])], output)


def _reorganised(write: OnnxWriter, name: str, stride: int, x: str, shape: Shape) -> str:
    C, H, W = shape
    blocks = _reshaped(write, f"{name}:blocks", x, (C // stride**2, H, stride, W, stride))
    moved = write.node("Transpose", [blocks], f"{name}:moved", perm=REORG_ORDER)
    return _reshaped(write, f"{name}:reorganised", moved, (C * stride**2, H // stride, W // stride))


def _yolo(write: OnnxWriter, name: str, head: Yolo, x: str, shape: Shape) -> str:
    fields = 5 + head.classes
    anchors = _reshaped(write, f"{name}:anchors", x, (shape[0] // fields, fields, *shape[1:]))
    centre, size, rest = (
        _channels(write, f"{name}:{part}", anchors, start, stop, axis=2)
        for part, start, stop in (("centre", 0, 2), ("size", 2, 4), ("rest", 4, fields))
    )
    if not head.new_coords:
        centre = write.node("Sigmoid", [centre], f"{centre}:share")
        rest = write.node("Sigmoid", [rest], f"{rest}:share")
    if head.scale_x_y != 1.0:
        factor = write.constant(f"{centre}:factor", torch.tensor(head.scale_x_y))
        shift = write.constant(f"{centre}:shift", torch.tensor(-0.5 * (head.scale_x_y - 1)))
        centre = write.node("Add", [write.node("Mul", [centre, factor], f"{centre}:wide"), shift], f"{centre}:moved")
    joined = write.node("Concat", [centre, size, rest], f"{name}:joined", axis=2)
    return _reshaped(write, f"{name}:head", joined, shape)


def _region(write: OnnxWriter, name: str, head: Region, x: str, shape: Shape) -> str:
    fields = 5 + head.classes
    anchors = _reshaped(write, f"{name}:anchors", x, (len(head.anchors), fields, *shape[1:]))
    centre, size, objectness, classes = (
        _channels(write, f"{name}:{part}", anchors, start, stop, axis=2)
        for part, start, stop in (("centre", 0, 2), ("size", 2, 4), ("objectness", 4, 5), ("classes", 5, fields))
    )
    parts = [
        write.node("Sigmoid", [centre], f"{centre}:share"),
        size,
        write.node("Sigmoid", [objectness], f"{objectness}:share"),
        write.node("Softmax", [classes], f"{classes}:share", axis=2),
    ]
    return _reshaped(write, f"{name}:head", write.node("Concat", parts, f"{name}:joined", axis=2), shape)
