"""What torch's operators are in our operations: a handler for each operator there is a counterpart for.

Those of sums and products are in `arithmetic`, those that move, cut or resize values in `shapes`.
"""

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor
from torch.fx import Node

from quant.activation import LEAKY_SLOPE, Activation
from quant.operations import (
    Activate,
    AvgPool,
    BatchNorm,
    Conv2d,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Padding,
    Softmax,
)
from services.edge.errors import Unsupported
from services.zoo.exported.arithmetic import for_each_channel
from services.zoo.exported.builder import Handler, LayerBuilder, Value
from services.zoo.exported.nodes import arguments_of, operator_name, pair, place

DROPOUTS = ("dropout", "feature_dropout", "alpha_dropout")
EVALUATE = "export the module in evaluation mode: module.eval()"

_ACTIVATIONS: dict[str, Activation] = {
    "relu": Activation.RELU,
    "relu6": Activation.RELU6,
    "silu": Activation.SILU,
    "sigmoid": Activation.SIGMOID,
    "hardswish": Activation.HARDSWISH,
    "hardsigmoid": Activation.HARDSIGMOID,
    "mish": Activation.MISH,
}


def _conv2d(build: LayerBuilder, node: Node) -> Value:
    x, weight, bias, stride, padding, dilation, groups = arguments_of(node, (None, None, None, 1, 0, 1, 1))
    if isinstance(padding, str):
        raise Unsupported(f"{place(node)} pads by name ({padding!r}); give numbers")
    return _convolve(build, node, (x, weight, bias, stride, padding, dilation, groups))


def _convolution(build: LayerBuilder, node: Node) -> Value:
    """The one operator that a decomposed program has for all of them."""
    x, weight, bias, stride, padding, dilation, transposed, _, groups = arguments_of(node, (None,) * 9)
    if transposed or len(stride) != 2:
        raise Unsupported(f"{place(node)}: only a convolution over height and width is supported, not its transpose")
    return _convolve(build, node, (x, weight, bias, stride, padding, dilation, groups))


def _convolve(build: LayerBuilder, node: Node, arguments: tuple[Any, ...]) -> Value:
    x, weight, bias, stride, padding, dilation, groups = arguments
    w, b = _weight_and_bias(build, node, weight, bias)
    return build.add(node, Conv2d(w, b, pair(stride), pair(padding), pair(dilation), groups), [build.read(x)])


def _linear(build: LayerBuilder, node: Node) -> Value:
    x, weight, bias = arguments_of(node, (None, None, None))
    return _multiply_matrix(build, node, x, _weight_and_bias(build, node, weight, bias))


def _addmm(build: LayerBuilder, node: Node) -> Value:
    """bias + x @ weight: what a decomposed program has for a linear layer."""
    bias, x, weight = node.args
    if node.kwargs:
        raise Unsupported(f"{place(node)} scales its sum; only bias + x @ weight is supported")
    return _multiply_matrix(build, node, x, _weight_and_bias(build, node, weight, bias, transposed=True))


def _mm(build: LayerBuilder, node: Node) -> Value:
    x, weight = node.args
    return _multiply_matrix(build, node, x, _weight_and_bias(build, node, weight, None, transposed=True))


def _multiply_matrix(build: LayerBuilder, node: Node, x: Any, weights: tuple[Tensor, Tensor]) -> Value:
    if len(build.shape(x)) != 1:
        raise Unsupported(f"{place(node)} multiplies along the last of several axes; only [N, C] is supported")
    return build.add(node, Linear(*weights), [build.read(x)])


def _weight_and_bias(
    build: LayerBuilder, node: Node, weight: Any, bias: Any, *, transposed: bool = False
) -> tuple[Tensor, Tensor]:
    w = build.weight(weight).T.contiguous() if transposed else build.weight(weight)
    channels = w.shape[:1]
    return w, for_each_channel(node, build.weight(bias), channels) if bias is not None else torch.zeros(channels)


def _batch_norm(build: LayerBuilder, node: Node) -> Value:
    *_, training = arguments_of(node, (None, None, None, None, None, False))
    if training:
        raise Unsupported(f"{place(node)} normalises by the statistics of the batch it is in; {EVALUATE}")
    return _normalise(build, node, arguments_of(node, (None,) * 8)[7])


def _batch_norm_without_training(build: LayerBuilder, node: Node) -> tuple[Value, ...]:
    return (_normalise(build, node, arguments_of(node, (None,) * 7)[6]),)


def _normalise(build: LayerBuilder, node: Node, eps: float) -> Value:
    x, weight, bias, mean, variance = arguments_of(node, (None,) * 5)
    deviation = (build.weight(variance).double() + eps).sqrt()
    gain = build.weight(weight).double() if weight is not None else torch.ones_like(deviation)
    offset = build.weight(bias).double() if bias is not None else torch.zeros_like(deviation)
    scale = gain / deviation
    norm = BatchNorm(scale.float(), (offset - build.weight(mean).double() * scale).float())
    return build.add(node, norm, [build.read(x)], build.shape(x))


def _batch_norm_in_training(_: LayerBuilder, node: Node) -> Value:
    raise Unsupported(f"{place(node)} normalises by the statistics of the batch it is in; {EVALUATE}")


def _dropout(build: LayerBuilder, node: Node) -> Value:
    x, _, training = arguments_of(node, (None, 0.5, True))
    if training:
        raise Unsupported(f"{place(node)} drops values at random; {EVALUATE}")
    return build.value(x)


def _activation(build: LayerBuilder, node: Node) -> Value:
    return _activate(build, node, node.args[0], _ACTIVATIONS[operator_name(node)])


def _activate(build: LayerBuilder, node: Node, x: Any, activation: Activation) -> Value:
    return build.add(node, Activate(activation), [build.read(x)])


def _hardtanh(build: LayerBuilder, node: Node) -> Value:
    x, low, high = arguments_of(node, (None, -1.0, 1.0))
    return _clip(build, node, x, (low, high))


def _clamp(build: LayerBuilder, node: Node) -> Value:
    x, low, high = arguments_of(node, (None, None, None))
    if low is None and isinstance(x, Node) and operator_name(x) == "clamp":  # decomposed: first below, then above
        x, low, above = arguments_of(x, (None, None, None))
        high = high if above is None else min(high, above)
    return _clip(build, node, x, (low, high))


def _clip(build: LayerBuilder, node: Node, x: Any, limits: tuple[Any, Any]) -> Value:
    if limits not in ((0, 6), (0, None)):
        low, high = ("any" if limit is None else limit for limit in limits)
        raise Unsupported(f"{place(node)} clips to [{low}, {high}]; only [0, 6] and [0, any] are supported")
    return _activate(build, node, x, Activation.RELU6 if limits[1] == 6 else Activation.RELU)


def _leaky_relu(build: LayerBuilder, node: Node) -> Value:
    x, slope = arguments_of(node, (None, 0.01))
    if slope != LEAKY_SLOPE:
        raise Unsupported(f"{place(node)} has the slope {slope}; only {LEAKY_SLOPE} is supported")
    return _activate(build, node, x, Activation.LEAKY)


def _gelu(build: LayerBuilder, node: Node) -> Value:
    if node.kwargs.get("approximate", "none") != "none":
        raise Unsupported(f"{place(node)} approximates gelu; only the exact one is supported")
    return _activate(build, node, node.args[0], Activation.GELU)


def _max_pool(build: LayerBuilder, node: Node) -> Value:
    return _pool_maxima(build, node, build.shape(node))


def _max_pool_with_indices(build: LayerBuilder, node: Node) -> tuple[Value, ...]:
    """The form in a decomposed program; where the maxima were is not supported."""
    values, _ = node.meta["val"]
    return (_pool_maxima(build, node, tuple(values.shape[1:])),)


def _pool_maxima(build: LayerBuilder, node: Node, out: tuple[int, ...]) -> Value:
    x, kernel, stride, padding, dilation = arguments_of(node, (None, None, None, 0, 1))
    if pair(dilation) != (1, 1):
        raise Unsupported(f"{place(node)} pools with dilation")
    kernel, stride = pair(kernel), pair(stride or kernel)
    around = _pool_padding(build.shape(x), out, kernel, stride, pair(padding))
    return build.add(node, MaxPool(kernel, stride, around), [build.read(x)], out)


def _avg_pool(build: LayerBuilder, node: Node) -> Value:
    x, kernel, stride, padding, ceil, include, divisor = arguments_of(node, (None, None, None, 0, False, True, None))
    if divisor is not None or (ceil and include):
        raise Unsupported(f"{place(node)} averages with a divisor of its own or rounds its size up")
    kernel, stride = pair(kernel), pair(stride or kernel)
    around = _pool_padding(build.shape(x), build.shape(node), kernel, stride, pair(padding))
    return build.add(node, AvgPool(kernel, stride, around, include), [build.read(x)])


def _adaptive_avg_pool(build: LayerBuilder, node: Node) -> Value:
    x = node.args[0]
    before, after = build.shape(x), build.shape(node)
    (H, W), (out_h, out_w) = before[1:], after[1:]
    if before == after:
        return build.value(x)
    if (out_h, out_w) == (1, 1):
        return build.add(node, GlobalAvgPool(), [build.read(x)])
    if H % out_h or W % out_w:
        raise Unsupported(f"{place(node)} averages {H}x{W} to {out_h}x{out_w}, which does not divide")
    kernel = (H // out_h, W // out_w)
    return build.add(node, AvgPool(kernel, kernel), [build.read(x)])


def _pool_padding(before: Any, after: Any, kernel: Any, stride: Any, padding: tuple[int, int]) -> Padding:
    """Symmetric padding, and more at the far end where torch rounds the output's size up."""
    if len(before) != 3:
        raise Unsupported(f"pooling of {len(before) + 1} axes is not supported; only [N, C, H, W] is")
    sizes = zip(before[1:], after[1:], kernel, stride, padding, strict=True)
    (top, bottom), (left, right) = (
        (before, before + max(0, (out - 1) * step + window - size - 2 * before))
        for size, out, window, step, before in sizes
    )
    return left, right, top, bottom


def _mean(build: LayerBuilder, node: Node) -> Value:
    """Over height, width or both, of values whose other axes may be gone already: `x.mean(3).mean(2)`."""
    x, axes, _ = arguments_of(node, (None, None, False))
    over = [axis % (len(build.shape(x)) + 1) for axis in axes] if isinstance(axes, list) else [0]
    of_layer = {build.layer_axis(x, axis) for axis in over} - {None}
    if 0 in over or 1 in of_layer:
        raise Unsupported(f"{place(node)}: only a mean over height and width is supported")
    if not of_layer:
        return build.reshaped(node, x)
    value = build.value(x)
    C, H, W = value.shape
    kernel = (H if 2 in of_layer else 1, W if 3 in of_layer else 1)
    pool = GlobalAvgPool() if kernel == (H, W) else AvgPool(kernel, kernel)
    return build.add(node, pool, [value.layer], (C, H // kernel[0], W // kernel[1]))


def _softmax(build: LayerBuilder, node: Node) -> Value:
    shape = build.shape(node)
    if arguments_of(node, (None, -1))[1] % (len(shape) + 1) != 1:
        raise Unsupported(f"{place(node)}: only a softmax over the channels is supported")
    return build.add(node, Softmax(), [build.read(node.args[0])])


OPERATORS: Mapping[str, Handler] = {
    **dict.fromkeys(_ACTIVATIONS, _activation),
    **dict.fromkeys(DROPOUTS, _dropout),
    **dict.fromkeys(("_native_batch_norm_legit", "_native_batch_norm_legit_functional"), _batch_norm_in_training),
    "conv2d": _conv2d,
    "convolution": _convolution,
    "linear": _linear,
    "addmm": _addmm,
    "mm": _mm,
    "batch_norm": _batch_norm,
    "_native_batch_norm_legit_no_training": _batch_norm_without_training,
    "hardtanh": _hardtanh,
    "clamp": _clamp,
    "clamp_min": _clamp,
    "leaky_relu": _leaky_relu,
    "gelu": _gelu,
    "max_pool2d": _max_pool,
    "max_pool2d_with_indices": _max_pool_with_indices,
    "avg_pool2d": _avg_pool,
    **dict.fromkeys(("adaptive_avg_pool2d", "_adaptive_avg_pool2d"), _adaptive_avg_pool),
    "mean": _mean,
    "softmax": _softmax,
    "_softmax": _softmax,
}
