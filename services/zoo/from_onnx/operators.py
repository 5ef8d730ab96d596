"""ONNX's operators in our operations."""

from collections.abc import Mapping
from math import isclose

import torch

from quant.activation import LEAKY_SLOPE, Activation
from quant.operations import (
    Activate,
    AvgPool,
    BatchNorm,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Pad,
    Padding,
    Softmax,
)
from services.zoo.from_onnx.translation import Handler, OnnxNode, Translation, padding_around


def _conv(build: Translation, node: OnnxNode) -> str:
    weight, x = build.weight(node, 1), build.read(node)
    if weight.dim() != 4:
        raise node.refused(f"convolves {weight.dim() - 2} axes; only height and width are supported")
    bias = build.weight(node, 2) if build.constant(node, 2) is not None else torch.zeros(len(weight))
    stride, dilation = (tuple(node.get(name, (1, 1))) for name in ("strides", "dilations"))
    window = [(side - 1) * step + 1 for side, step in zip(weight.shape[2:], dilation, strict=True)]
    left, right, top, bottom = padding_around(node, build.shape(node.inputs[0])[1:], window, stride)
    padding = (top, left)
    if (left, top) != (right, bottom):
        x, padding = build.add(node, Pad((left, right, top, bottom)), [x], "_padded"), (0, 0)
    return build.add(node, Conv2d(weight, bias, stride, padding, dilation, node.get("group", 1)), [x])


def _gemm(build: Translation, node: OnnxNode) -> str:
    if node.get("transA", 0):
        raise node.refused("transposes the value; only its weights may be")
    weight = build.weight(node, 1) * node.get("alpha", 1.0)
    weight = weight if node.get("transB", 0) else weight.t()
    bias = torch.zeros(len(weight))
    if build.constant(node, 2) is not None:
        bias = bias + node.get("beta", 1.0) * build.weight(node, 2).reshape(-1)
    return build.add(node, Linear(weight.contiguous(), bias), [build.read(node)])


def _matmul(build: Translation, node: OnnxNode) -> str:
    weight = build.weight(node, 1)
    if weight.dim() != 2 or len(build.shape(node.inputs[0])) != 1:
        raise node.refused("multiplies more than vectors by a matrix, which is all that is supported")
    return build.add(node, Linear(weight.t().contiguous(), torch.zeros(weight.shape[1])), [build.read(node)])


def _batch_norm(build: Translation, node: OnnxNode) -> str:
    if node.get("training_mode", 0):
        raise node.refused("normalises by the statistics of the batch it is in; export in evaluation mode")
    gain, offset, mean, variance = (build.weight(node, position).double() for position in range(1, 5))
    scale = gain / (variance + node.get("epsilon", 1e-5)).sqrt()
    return build.add(node, BatchNorm(scale.float(), (offset - mean * scale).float()), [build.read(node)])


_PLAIN = {
    "Relu": Activation.RELU,
    "Sigmoid": Activation.SIGMOID,
    "HardSwish": Activation.HARDSWISH,
    "Mish": Activation.MISH,
}


def _activation(build: Translation, node: OnnxNode) -> str:
    return build.add(node, Activate(_PLAIN[node.kind]), [build.read(node)])


def _leaky_relu(build: Translation, node: OnnxNode) -> str:
    if not isclose(slope := node.get("alpha", 0.01), LEAKY_SLOPE, rel_tol=1e-6):
        raise node.refused(f"has the slope {slope:g}; only {LEAKY_SLOPE} is supported")
    return build.add(node, Activate(Activation.LEAKY), [build.read(node)])


def _hard_sigmoid(build: Translation, node: OnnxNode) -> str:
    alpha, beta = node.get("alpha", 0.2), node.get("beta", 0.5)
    if not (isclose(alpha, 1 / 6, rel_tol=1e-6) and beta == 0.5):
        raise node.refused(f"has alpha {alpha:g} and beta {beta:g}; only 1/6 and 0.5 are supported")
    return build.add(node, Activate(Activation.HARDSIGMOID), [build.read(node)])


def _gelu(build: Translation, node: OnnxNode) -> str:
    if node.get("approximate", "none") != "none":
        raise node.refused("approximates gelu; only the exact one is supported")
    return build.add(node, Activate(Activation.GELU), [build.read(node)])


def _clip(build: Translation, node: OnnxNode) -> str:
    given = build.constant(node, 1), build.constant(node, 2)
    low, high = (
        node.get(name, None) if value is None else float(value.reshape(()))
        for name, value in zip(("min", "max"), given, strict=True)
    )
    if low != 0 or (high is not None and high != 6 and high < 1e30):
        ends = ("any" if end is None else f"{end:g}" for end in (low, high))
        raise node.refused(f"clips to [{', '.join(ends)}]; only [0, 6] and [0, any] are supported")
    return build.add(node, Activate(Activation.RELU6 if high == 6 else Activation.RELU), [build.read(node)])


def _softmax(build: Translation, node: OnnxNode) -> str:
    axis, rank = node.get("axis", 1 if build.opset < 13 else -1), len(build.shape(node.inputs[0])) + 1
    if axis % rank != 1 or (build.opset < 13 and rank != 2):
        raise node.refused(f"is over axis {axis}; only one over the channels is supported")
    return build.add(node, Softmax(), [build.read(node)])


def _max_pool(build: Translation, node: OnnxNode) -> str:
    kernel, stride, padding = _window(build, node)
    return build.add(node, MaxPool(kernel, stride, padding), [build.read(node)])


def _average_pool(build: Translation, node: OnnxNode) -> str:
    include = bool(node.get("count_include_pad", 0))
    if include and node.get("ceil_mode", 0):
        raise node.refused("counts padding in windows that reach beyond it, which is not supported")
    kernel, stride, padding = _window(build, node)
    return build.add(node, AvgPool(kernel, stride, padding, include), [build.read(node)])


def _window(build: Translation, node: OnnxNode) -> tuple[tuple[int, int], tuple[int, int], Padding]:
    """Kernel, stride and padding; more of it at the far end where the output's size is rounded up."""
    before, after = build.shape(node.inputs[0])[1:], build.shape(node.outputs[0])[1:]
    if len(before) != 2:
        raise node.refused("pools other axes than height and width")
    if any(step != 1 for step in node.get("dilations", (1,))):
        raise node.refused("pools with dilation, which is not supported")
    kernel, stride = tuple(node.get("kernel_shape", ())), tuple(node.get("strides", (1, 1)))
    left, right, top, bottom = padding_around(node, before, kernel, stride)
    if node.get("ceil_mode", 0):
        reach_h, reach_w = ((out - 1) * step + span for out, step, span in zip(after, stride, kernel, strict=True))
        right, bottom = max(right, reach_w - before[1] - left), max(bottom, reach_h - before[0] - top)
    return (kernel[0], kernel[1]), (stride[0], stride[1]), (left, right, top, bottom)


def _global_average(build: Translation, node: OnnxNode) -> str:
    return build.add(node, GlobalAvgPool(), [build.read(node)])


def _mean(build: Translation, node: OnnxNode) -> str:
    shape, axes = build.shape(node.inputs[0]), build.constant(node, 1)
    over = node.get("axes", ()) if axes is None else axes.tolist()
    if len(shape) != 3 or sorted(axis % 4 for axis in over) != [2, 3]:
        raise node.refused(f"is over axes {list(over)}; only a mean over height and width is supported")
    mean = build.add(node, GlobalAvgPool(), [build.read(node)])
    if len(build.shape(node.outputs[0])) == 3:
        return mean
    return build.add(node, Flatten(), [mean], "_vector")


OPERATORS: Mapping[str, Handler] = {
    **dict.fromkeys(_PLAIN, _activation),
    "Conv": _conv,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "BatchNormalization": _batch_norm,
    "LeakyRelu": _leaky_relu,
    "HardSigmoid": _hard_sigmoid,
    "Gelu": _gelu,
    "Clip": _clip,
    "Softmax": _softmax,
    "MaxPool": _max_pool,
    "AveragePool": _average_pool,
    "GlobalAveragePool": _global_average,
    "ReduceMean": _mean,
}
