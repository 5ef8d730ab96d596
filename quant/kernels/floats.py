"""Float runs of single layers: the values of `operation.run` up to rounding, with weights packed once for oneDNN."""

from collections.abc import Callable

import torch
from torch import Tensor

from quant.activation import LEAKY_SLOPE, Activation, activate
from quant.operations import Conv2d, Operation

Kernel = Callable[..., Tensor]

_onednn = torch.ops.mkldnn._convolution_pointwise

_FUSED: dict[Activation, tuple[str, list[float], str]] = {
    Activation.NONE: ("none", [], ""),
    Activation.RELU: ("relu", [], ""),
    Activation.RELU6: ("hardtanh", [0.0, 6.0], ""),
    Activation.LEAKY: ("leaky_relu", [LEAKY_SLOPE], ""),
    Activation.SILU: ("swish", [], ""),
    Activation.HARDSWISH: ("hardswish", [], ""),
    Activation.SIGMOID: ("sigmoid", [], ""),
    Activation.GELU: ("gelu", [], "none"),
}


def float_kernel(operation: Operation, input_shape: tuple[int, ...]) -> Kernel:
    """The fastest float run of an operation.

    Args:
        input_shape: of the first input, without N: weights are packed for it, other sizes work too.
    """
    if not isinstance(operation, Conv2d):
        return operation.run
    is_matrix = operation.weight.shape[2:] == (1, 1) and operation.padding == (0, 0) and operation.groups == 1
    if is_matrix and input_shape[1:] == (1, 1):
        return _single_pixel(operation)
    return _convolution(operation, input_shape)


def _single_pixel(conv: Conv2d) -> Kernel:
    """A 1x1 convolution of a 1x1 picture (squeeze-excite) is a matrix product, at a fifth of the call's cost."""
    matrix, bias, activation = conv.weight.flatten(1).t().contiguous(), conv.bias, conv.activation
    shape = (-1, len(bias), 1, 1)

    def run(x: Tensor, residual: Tensor | None = None) -> Tensor:
        y = torch.addmm(bias, x.flatten(1), matrix).view(shape)
        return activate(y if residual is None else y + residual, activation)

    return run


def _convolution(conv: Conv2d, input_shape: tuple[int, ...]) -> Kernel:
    padding, stride, dilation = list(conv.padding), list(conv.stride), list(conv.dilation)
    packed = torch.ops.mkldnn._reorder_convolution_weight(
        conv.weight.contiguous(memory_format=torch.channels_last),
        padding,
        stride,
        dilation,
        conv.groups,
        [1, *input_shape],
    )
    geometry = (padding, stride, dilation, conv.groups)
    fused = conv.activation in _FUSED
    name, scalars, algorithm = _FUSED.get(conv.activation, _FUSED[Activation.NONE])

    def plain(x: Tensor) -> Tensor:
        y: Tensor = _onednn.default(x, packed, conv.bias, *geometry, name, scalars, algorithm)
        return y if fused else activate(y, conv.activation)

    relu = conv.activation is Activation.RELU

    def kernel(x: Tensor, residual: Tensor | None = None) -> Tensor:
        if residual is None:
            return plain(x)
        unary = "relu" if relu else None
        y: Tensor = _onednn.binary(x, residual, packed, conv.bias, *geometry, "add", 1.0, unary, [], "")
        return y if relu else activate(y, conv.activation)

    return kernel
