"""Exact integer products on oneDNN: sum(x * w) over raw codes in int32, scaled, biased and coded in one call.

A product takes (x codes, x_scale, w_scale [O], bias [O] or None, out, post-op) and gives codes or float32:
post_op(sum * x_scale * w_scale + bias) / out_scale + out_zero_point, rounded half to even.

Only the call of a depthwise convolution is given the input's zero point: oneDNN 3.12 would work out its share of
every padded border anew in each call, in up to seven times the convolution's own time (docs/adr/0101). Instead borders
are filled with the zero point's code, and what it adds to every sum, `offset`, is taken off through the bias. Where the
processor has no exact 8-bit product the weights must be 7-bit (`quant.cpu`).
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

SPAN_CHANNELS = 64
"""So many channels in a run of pixels make it long enough to copy at memory's speed (docs/adr/0101)."""


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
    """oneDNN's integer convolution: every geometry; post-ops none, relu, hardtanh, hardswish, swish."""

    def __init__(self, conv: Conv2d, codes: Tensor, x: QParams, input_shape: tuple[int, ...]) -> None:
        depthwise = conv.groups == conv.weight.shape[0] and conv.weight.shape[1] == 1
        super().__init__(codes, QParams(x.scale, 0) if depthwise else x)
        C, H, W = input_shape
        ph, pw = conv.padding
        self._zero_point = x.zero_point if depthwise else 0
        self._fill = x.zero_point
        self._border = (0, 0, pw, pw, ph, ph) if x.zero_point and (ph or pw) and not depthwise else None
        if self._border:
            H, W, padding = H + 2 * ph, W + 2 * pw, [0, 0]
        else:
            padding = [ph, pw]
        self._geometry = (list(conv.stride), padding, list(conv.dilation), conv.groups)
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
        return _planes(self._linear(_pixels(x), x_scale, w_scale, bias, out, post_op))

    def add_to(
        self, residual: Tensor, residual_qparams: QParams | None,
        x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor, out: Out, relu: bool,
    ) -> Tensor:  # fmt: skip
        sums = self._linear.add_to(
            _pixels(residual), residual_qparams, _pixels(x), x_scale, w_scale, bias, out, relu
        )  # fmt: skip
        return _planes(sums)


class WindowProduct(Product):
    """A convolution as a matrix product over gathered windows, for the post-ops only LinearProduct has.

    One group, no dilation. Where pixels have few channels, the windows of `span` neighbouring outputs are gathered as
    one row for `span` times as many columns, the weights shifted from one to the next: fewer, longer runs to copy.
    """

    def __init__(self, conv: Conv2d, codes: Tensor, x: QParams, input_shape: tuple[int, ...]) -> None:
        super().__init__(codes, x)
        self._kernel = codes.shape[2:]
        self._stride, self._padding, self._fill = conv.stride, conv.padding, x.zero_point
        self._span = _span_of(conv, input_shape)
        self._linear = LinearProduct(_shifted(codes, self._span, conv.stride[1]), x)

    def __call__(
        self, x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor | None, out: Out, post_op: PostOp
    ) -> Tensor:
        rows = self._windows(_pixels(x))
        if self._span == 1:
            return _planes(self._linear(rows, x_scale, w_scale, bias, out, post_op))
        bias = None if bias is None else bias.repeat(self._span)
        y = self._linear(rows, x_scale, w_scale.repeat(self._span), bias, out, post_op)
        N, H, W, _ = y.shape
        return _planes(y.view(N, H, W * self._span, len(w_scale)))

    def _windows(self, pixels: Tensor) -> Tensor:
        """[N, H, W, C] -> [N, H', W' / span, K]; each kernel row is one run of bytes in memory."""
        (kh, kw), (sh, sw), (ph, pw) = self._kernel, self._stride, self._padding
        padded = F.pad(pixels, (0, 0, pw, pw, ph, ph), value=self._fill) if ph or pw else pixels
        N, H, W, C = padded.shape
        out_h, out_w = (H - kh) // sh + 1, ((W - kw) // sw + 1) // self._span
        run = ((self._span - 1) * sw + kw) * C
        windows = padded.as_strided((N, out_h, out_w, kh, run), (H * W * C, sh * W * C, self._span * sw * C, W * C, 1))
        return windows.reshape(N, out_h, out_w, kh * run)


def _meaning(residual: QParams | None) -> tuple[float, int]:
    return (1.0, 0) if residual is None else (residual.scale, residual.zero_point)


def _pixels(x: Tensor) -> Tensor:
    """[N, C, H, W] -> [N, H, W, C], a view where x is channels-last."""
    return x.permute(0, 2, 3, 1).contiguous()


def _planes(y: Tensor) -> Tensor:
    return y.permute(0, 3, 1, 2)


def _span_of(conv: Conv2d, input_shape: tuple[int, ...]) -> int:
    """The most outputs a row that divide the output's width and keep a pixel run within SPAN_CHANNELS."""
    C, _, W = input_shape
    out_w = (W + 2 * conv.padding[1] - conv.weight.shape[3]) // conv.stride[1] + 1
    return next(span for span in range(max(1, SPAN_CHANNELS // C), 0, -1) if out_w % span == 0)


def _shifted(codes: Tensor, span: int, stride: int) -> Tensor:
    """[O, I, KH, KW] -> [span * O, KH * ((span - 1) * stride + KW) * I]: copy p reads from pixel p * stride on."""
    O, I, kh, kw = codes.shape  # noqa: E741
    wide = codes.new_zeros(span, O, kh, (span - 1) * stride + kw, I)
    for p in range(span):
        wide[p, :, :, p * stride : p * stride + kw] = codes.permute(0, 2, 3, 1)
    return wide.reshape(span * O, -1)
