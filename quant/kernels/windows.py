"""Convolutions as matrix products over gathered windows, where oneDNN's own lack a post-op or add up wrongly."""

from dataclasses import replace

import torch
import torch.nn.functional as F
from torch import Tensor

from quant.affine import QParams
from quant.kernels.products import LinearProduct, Out, PostOp, Product, pixels_of, planes_of
from quant.operations import Conv2d

SPAN_CHANNELS, SPAN_CHANNELS_OF_TILES = 32, 64
"""So many channels in a run of pixels: longer runs are copied faster, and multiplied with more zeros, which cost next
to nothing in tiles (docs/adr/0101)."""


class WindowProduct(Product):
    """A convolution as a matrix product over gathered windows: LinearProduct's post-ops, and right for wide windows.

    One group, no horizontal dilation. Where pixels have few channels, the windows of `span` neighbouring outputs are
    gathered as one row for `span` times as many columns, the weights shifted from one to the next: fewer, longer runs
    to copy.

    Attributes:
        span: see above; 1 where pixels have channels enough.
    """

    def __init__(self, conv: Conv2d, codes: Tensor, x: QParams, input_shape: tuple[int, ...], *, tiles: bool) -> None:
        super().__init__(codes, x)
        self._kernel = codes.shape[2:]
        self._stride, self._padding, self._fill = conv.stride, conv.padding, x.zero_point
        self._window_h, self._step_h = conv.window[0], conv.dilation[0]
        self.span = _span_of(conv, input_shape, SPAN_CHANNELS_OF_TILES if tiles else SPAN_CHANNELS)
        self._linear = LinearProduct(_shifted(codes, self.span, conv.stride[1]), x)

    def __call__(
        self, x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor | None, out: Out, post_op: PostOp
    ) -> Tensor:
        rows = self._windows(pixels_of(x))
        if self.span == 1:
            return planes_of(self._linear(rows, x_scale, w_scale, bias, out, post_op))
        bias = None if bias is None else bias.repeat(self.span)
        y = self._linear(rows, x_scale, w_scale.repeat(self.span), bias, out, post_op)
        N, H, W, _ = y.shape
        return planes_of(y.view(N, H, W * self.span, len(w_scale)))

    def _windows(self, pixels: Tensor) -> Tensor:
        """[N, H, W, C] -> [N, H', W' / span, K]; each kernel row is one run of bytes in memory."""
        (kh, kw), (sh, sw), (ph, pw) = self._kernel, self._stride, self._padding
        padded = F.pad(pixels, (0, 0, pw, pw, ph, ph), value=self._fill) if ph or pw else pixels
        N, H, W, C = padded.shape
        out_h, out_w = (H - self._window_h) // sh + 1, ((W - kw) // sw + 1) // self.span
        run = ((self.span - 1) * sw + kw) * C
        strides = (H * W * C, sh * W * C, self.span * sw * C, self._step_h * W * C, 1)
        windows = padded.as_strided((N, out_h, out_w, kh, run), strides)
        return windows.reshape(N, out_h, out_w, kh * run)


class GroupedProduct(Product):
    """A WindowProduct for each group of channels, one after the other."""

    def __init__(self, conv: Conv2d, codes: Tensor, x: QParams, input_shape: tuple[int, ...], *, tiles: bool) -> None:
        super().__init__(codes, x)
        alone, (C, H, W) = replace(conv, groups=1), input_shape
        shape = (C // conv.groups, H, W)
        self._parts = [WindowProduct(alone, part, x, shape, tiles=tiles) for part in codes.chunk(conv.groups)]

    def __call__(
        self, x: Tensor, x_scale: float, w_scale: Tensor, bias: Tensor | None, out: Out, post_op: PostOp
    ) -> Tensor:
        count = len(self._parts)
        biases = [None] * count if bias is None else bias.chunk(count)
        parts = zip(self._parts, x.chunk(count, 1), w_scale.chunk(count), biases, strict=True)
        return torch.cat([part(channels, x_scale, scale, own, out, post_op) for part, channels, scale, own in parts], 1)


def _span_of(conv: Conv2d, input_shape: tuple[int, ...], channels: int) -> int:
    """The most outputs a row that divide the output's width and keep a pixel run within so many channels."""
    C, _, W = input_shape
    out_w = (W + 2 * conv.padding[1] - conv.weight.shape[3]) // conv.stride[1] + 1
    return next(span for span in range(max(1, channels // C), 0, -1) if out_w % span == 0)


def _shifted(codes: Tensor, span: int, stride: int) -> Tensor:
    """[O, I, KH, KW] -> [span * O, KH * ((span - 1) * stride + KW) * I]: copy p reads from pixel p * stride on."""
    O, I, kh, kw = codes.shape  # noqa: E741
    wide = codes.new_zeros(span, O, kh, (span - 1) * stride + kw, I)
    for p in range(span):
        wide[p, :, :, p * stride : p * stride + kw] = codes.permute(0, 2, 3, 1)
    return wide.reshape(span * O, -1)
