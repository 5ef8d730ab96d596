"""Exact integer products on oneDNN: sum(x * w) over raw codes in int32, scaled, biased and coded in one call.

A product takes (x codes, x_scale, w_scale [O], bias [O] or None, out, post-op) and gives codes or float32:
post_op(sum * x_scale * w_scale + bias) / out_scale + out_zero_point, rounded half to even.

Only the call of a depthwise convolution is given the input's zero point: oneDNN 3.12 would work out its share of
every padded border anew in each call, in up to seven times the convolution's own time (docs/adr/0101). Instead borders
are filled with the zero point's code, and what it adds to every sum, `offset`, is taken off through the bias. Where the
processor has no exact 8-bit product the weights must be 7-bit (`quant.cpu`).

Some geometries are called in other words, since oneDNN 3.12 adds up other pixels in them or ends the process
(docs/adr/0101): a single window with a stride, padding with wide steps or windows that read nothing else, wide windows.
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor

from quant.affine import QParams
from quant.operations import Conv2d

_onednn = torch.ops.onednn

Out = tuple[float, int, torch.dtype]
FLOAT_OUT: Out = (1.0, 0, torch.float32)

PostOp = tuple[str, list[float]]
NO_POST_OP: PostOp = ("none", [])


def out_of(qparams: QParams | None) -> Out:
    """Codes of this meaning, or float32."""
    return FLOAT_OUT if qparams is None else (qparams.scale, qparams.zero_point, torch.uint8)


class Product(ABC):
    """Packed weights of one layer.

    Attributes:
        offset: [O], int64: x_zero_point * sum of the channel's weights, contained in every sum.
    """

    def __init__(self, codes: Tensor, x: QParams) -> None:
        # in 32 bits: a fifth of the time, and enough for 16 million weights a channel
        self.offset = x.zero_point * codes.flatten(1).sum(1, dtype=torch.int32).to(torch.int64)
        self._zero_points = torch.zeros(codes.shape[0], dtype=torch.int32)

    @abstractmethod
    def __call__(
        self, x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor | None, out: Out, post_op: PostOp
    ) -> Tensor: ...


class SummingProduct(Product):
    """A product to which a residual can be added in the same call."""

    @abstractmethod
    def add_to(
        self, residual: Tensor, residual_qparams: QParams | None,
        x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor, out: Out, relu: bool,
    ) -> Tensor:  # fmt: skip
        """The product plus a residual of the output's kind, in whose place the sum is written; then a ReLU, or none."""


class ConvProduct(SummingProduct):
    """oneDNN's integer convolution, for all but wide windows; post-ops none, relu, hardtanh, hardswish, swish."""

    def __init__(self, conv: Conv2d, codes: Tensor, x: QParams, input_shape: tuple[int, ...]) -> None:
        depthwise = conv.groups == conv.weight.shape[0] and conv.weight.shape[1] == 1
        super().__init__(codes, QParams(x.scale, 0) if depthwise else x)
        C, H, W = input_shape
        self._zero_point = x.zero_point if depthwise else 0
        self._fill = x.zero_point
        (ph, pw), padding = conv.padding, list(conv.padding)
        self._border: tuple[int, ...] | None = None
        stride, (spare_h, spare_w) = _one_window(conv, input_shape)
        fills = (ph or pw) and x.zero_point and not depthwise
        if fills or spare_h or spare_w or _mistakes_padding(conv, input_shape):
            self._border, padding = (0, 0, pw, pw - spare_w, ph, ph - spare_h), [0, 0]
            H, W = H + 2 * ph - spare_h, W + 2 * pw - spare_w
        self._geometry = (stride, padding, list(conv.dilation), conv.groups)
        ones = torch.ones(codes.shape[0])
        self._packed = _onednn.qconv_prepack(codes, ones, 1.0, self._zero_point, *self._geometry, [1, C, H, W])

    def _bordered(self, x: Tensor) -> Tensor:
        if self._border is None:
            return x
        return F.pad(x.permute(0, 2, 3, 1), self._border, value=self._fill).permute(0, 3, 1, 2)

    def __call__(
        self, x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor | None, out: Out, post_op: PostOp
    ) -> Tensor:
        y: Tensor = _onednn.qconv_pointwise.default(
            self._bordered(x), x_scale, self._zero_point, self._packed, w_scale, self._zero_points, bias,
            *self._geometry, *out, *post_op, "",
        )  # fmt: skip
        return y

    def add_to(
        self, residual: Tensor, residual_qparams: QParams | None,
        x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor, out: Out, relu: bool,
    ) -> Tensor:  # fmt: skip
        scale, zero = _meaning(residual_qparams)
        y: Tensor = _onednn.qconv2d_pointwise.binary(
            self._bordered(x), x_scale, self._zero_point, self._packed, w_scale, self._zero_points, residual, bias,
            *self._geometry, *out, scale, zero, "sum", 1.0, "relu" if relu else "none", [], "",
        )  # fmt: skip
        return y


class LinearProduct(SummingProduct):
    """oneDNN's integer matrix product over the last axis; post-ops as ConvProduct's, and leaky_relu, gelu, tanh."""

    def __init__(self, codes: Tensor, x: QParams) -> None:
        super().__init__(codes, x)
        self._packed = _onednn.qlinear_prepack(codes.contiguous(), None)

    def __call__(
        self, x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor | None, out: Out, post_op: PostOp
    ) -> Tensor:
        y: Tensor = _onednn.qlinear_pointwise.default(
            x, x_scale, 0, self._packed, w_scale, self._zero_points, bias, *out, *post_op, ""
        )
        return y

    def add_to(
        self, residual: Tensor, residual_qparams: QParams | None,
        x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor, out: Out, relu: bool,
    ) -> Tensor:  # fmt: skip
        y: Tensor = _onednn.qlinear_pointwise.binary(
            x, x_scale, 0, self._packed, w_scale, self._zero_points, residual, bias,
            *out, *_meaning(residual_qparams), "sum", 1.0, "relu" if relu else "none", [], "",
        )  # fmt: skip
        return y


class PixelProduct(SummingProduct):
    """A 1x1 convolution of stride 1 and one group as the matrix product it is: other post-ops, and a cheaper call."""

    def __init__(self, codes: Tensor, x: QParams) -> None:
        super().__init__(codes, x)
        self._linear = LinearProduct(codes.flatten(1), x)

    def __call__(
        self, x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor | None, out: Out, post_op: PostOp
    ) -> Tensor:
        return planes_of(self._linear(pixels_of(x), x_scale, w_scale, bias, out, post_op))

    def add_to(
        self, residual: Tensor, residual_qparams: QParams | None,
        x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor, out: Out, relu: bool,
    ) -> Tensor:  # fmt: skip
        sums = self._linear.add_to(
            pixels_of(residual), residual_qparams, pixels_of(x), x_scale, w_scale, bias, out, relu
        )  # fmt: skip
        return planes_of(sums)


def _one_window(conv: Conv2d, input_shape: tuple[int, ...]) -> tuple[list[int], list[int]]:
    """The strides to call with, and how many last rows and columns to cut: where one window fits, it has no stride."""
    stride, spare = list(conv.stride), [0, 0]
    for axis in range(2):
        beyond = input_shape[1 + axis] + 2 * conv.padding[axis] - conv.window[axis]
        if beyond < stride[axis]:
            stride[axis], spare[axis] = 1, beyond
    return stride, spare


def _mistakes_padding(conv: Conv2d, input_shape: tuple[int, ...]) -> bool:
    """Are there windows without a pixel of the picture, or steps beyond the kernel or by more than two pixels?"""
    alone = far = False
    for axis, size in enumerate(input_shape[1:]):
        padding, window = conv.padding[axis], conv.window[axis]
        alone |= padding > 0 and (padding >= window or conv.dilation[axis] > size)
        far |= conv.stride[axis] > min(2, conv.weight.shape[2 + axis])
    return alone or (far and any(conv.padding))


def _meaning(residual: QParams | None) -> tuple[float, int]:
    return (1.0, 0) if residual is None else (residual.scale, residual.zero_point)


def pixels_of(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, H, W, C], a view where x is channels-last."""
    return x.permute(0, 2, 3, 1).contiguous()


def planes_of(y: Tensor) -> Tensor:
    return y.permute(0, 3, 1, 2)
