"""Integer runs of convolutions and linear layers: one exact product, then the activation, then the output's codes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor

from quant.activation import LEAKY_SLOPE, Activation, activate
from quant.affine import QParams, quantise
from quant.kernels.floats import Kernel
from quant.kernels.products import (
    FLOAT_OUT,
    NO_POST_OP,
    ConvProduct,
    LinearProduct,
    PixelProduct,
    PostOp,
    Product,
    SummingProduct,
    out_of,
)
from quant.kernels.windows import GroupedProduct, WindowProduct
from quant.operations import Conv2d, Linear, Operation, Weighted
from quant.scales import IntegerWeights

_POST_OPS: dict[Activation, PostOp] = {
    Activation.NONE: NO_POST_OP,
    Activation.RELU: ("relu", []),
    Activation.RELU6: ("hardtanh", [0.0, 6.0]),
    Activation.SILU: ("swish", []),
    Activation.HARDSWISH: ("hardswish", []),
}
_LEAKY: PostOp = ("leaky_relu", [LEAKY_SLOPE])

FLOAT_CHANNELS = 256
"""From so many input channels on, and with tiles, a leaky convolution of stride 1 gives float32: its few outputs cost
less to code apart than its long windows cost to gather (docs/adr/0101)."""
MATRIX_PIXELS, MATRIX_CHANNELS = 256, 16
"""A 1x1 convolution is faster as a matrix product up to so many pixels, with a residual, and where it makes SiLU of so
few input channels (docs/adr/0101)."""
WIDE_PIXELS, WIDE_ELEMENTS, WIDE_STRIDE = 8, 128, 3
"""Windows of rows this wide in both, or this far apart, are gathered: oneDNN 3.12 adds up wrongly in some of them
(docs/adr/0101)."""


@dataclass(frozen=True, eq=False)
class WeightedKernel:
    """A prepared convolution or linear layer.

    Attributes:
        run: (x codes [, residual of the output's kind]) -> codes or float32; inputs are left as they were.
        run_over: the same, but the output may take the residual's place in memory; `run` where there is none.
        uncoded: (x codes [, float32 residual]) -> the float32 that `run` codes.
        product: the integer product under it.
        pack: makes such a product of other weight codes.
        weights: what it multiplies with, after any change for this input or processor.
        x: meaning of the input's codes.
    """

    run: Kernel
    run_over: Kernel
    uncoded: Kernel
    product: Product
    pack: Callable[[Tensor], Product]
    weights: IntegerWeights
    x: QParams

    def accumulators(self, codes: Tensor) -> Tensor:
        """The exact sums of (x - x_zero_point) * w before any scaling, int64, shaped as the output.

        The product hands its sums out as float32, which holds integers up to 2^24; larger ones are made of the sums
        over parts of the input channels.
        """
        return self._sums(codes, self.product, 0, self.weights.codes.shape[1])

    def _sums(self, codes: Tensor, product: Product, start: int, stop: int) -> Tensor:
        sums = product(codes, 1.0, torch.ones(len(product.offset)), None, FLOAT_OUT, NO_POST_OP)
        if stop - start == 1 or float(sums.abs().max()) < 2**24:
            return sums.to(torch.int64) - product.offset.view(-1, *[1] * (codes.dim() - 2))
        middle = (start + stop) // 2
        return self._part(codes, start, middle) + self._part(codes, middle, stop)

    def _part(self, codes: Tensor, start: int, stop: int) -> Tensor:
        part = torch.zeros_like(self.weights.codes)
        part[:, start:stop] = self.weights.codes[:, start:stop]
        return self._sums(codes, self.pack(part), start, stop)


def sums_codes(operation: Operation) -> bool:
    """Can a residual be added inside the integer call, and so come as codes where the output is codes?"""
    if not isinstance(operation, Conv2d) or _is_wide(operation):
        return False
    return operation.activation in (Activation.NONE, Activation.RELU)


def weighted_kernel(
    operation: Weighted,
    weights: IntegerWeights,
    x: QParams,
    out: QParams | None,
    input_shape: tuple[int, ...],
    residual: tuple[QParams | None, ...] = (),
    *,
    tiles: bool = False,
) -> WeightedKernel:
    """Pack a layer's weights and bind everything its runs share.

    Args:
        x: meaning of the input's codes.
        out: meaning of the output's codes, or None for float32.
        input_shape: of the input, without N; runs take no other.
        residual: empty, or one: the meaning of the residual's codes, None for float32.
        tiles: as `Cpu.tiles`.
    """
    leaky = operation.activation is Activation.LEAKY
    post_op = _POST_OPS.get(operation.activation)
    pack: Callable[[Tensor], Product]
    if isinstance(operation, Linear):
        pack = partial(LinearProduct, x=x)
        post_op = _LEAKY if leaky else post_op
    elif _is_pixelwise(operation) and (leaky or residual or _suits_matrix(operation, input_shape)):
        pack = partial(PixelProduct, x=x)
        post_op = _LEAKY if leaky else post_op
    elif _is_wide(operation) or (leaky and _gathers(operation, tiles)):
        gathered = WindowProduct if operation.groups == 1 else GroupedProduct
        pack = partial(gathered, operation, x=x, input_shape=input_shape, tiles=tiles)
        post_op = _LEAKY if leaky else post_op
    else:
        pack = partial(ConvProduct, operation, x=x, input_shape=input_shape)
    product = pack(weights.codes)
    layer = _Bound(operation.activation, product, x, weights)
    if not residual:
        run = layer.run(post_op, out)
        return WeightedKernel(run, run, layer.run(post_op, None), product, pack, weights, x)
    run = run_over = layer.run_with_residual(out)
    if sums_codes(operation):
        run_over = layer.run_over_residual(residual[0], out)
        run = partial(_on_a_copy, run_over)
    return WeightedKernel(run, run_over, layer.run_with_residual(None), product, pack, weights, x)


def _on_a_copy(run_over: Kernel, codes: Tensor, residual: Tensor) -> Tensor:
    return run_over(codes, residual.clone())


def _is_pixelwise(conv: Conv2d) -> bool:
    plain = conv.stride == (1, 1) and conv.padding == (0, 0) and conv.groups == 1
    return plain and conv.weight.shape[2:] == (1, 1)


def _suits_matrix(conv: Conv2d, input_shape: tuple[int, ...]) -> bool:
    C, H, W = input_shape
    return H * W <= MATRIX_PIXELS or (conv.activation is Activation.SILU and C <= MATRIX_CHANNELS)


def _gathers(conv: Conv2d, tiles: bool) -> bool:
    short = not tiles or conv.weight.shape[1] < FLOAT_CHANNELS or conv.stride != (1, 1)
    return conv.groups == 1 and conv.dilation == (1, 1) and short


def _is_wide(conv: Conv2d) -> bool:
    channels, width = conv.weight.shape[1], conv.weight.shape[3]
    if channels == 1 or conv.dilation[1] > 1:
        return False
    return conv.stride[1] >= WIDE_STRIDE or (width >= WIDE_PIXELS and channels * width >= WIDE_ELEMENTS)


class _Bound:
    """The constants of one layer's runs, bound once; a run gives codes of `out`, or float32 where it is None."""

    def __init__(self, activation: Activation, product: Product, x: QParams, weights: IntegerWeights) -> None:
        self._activation, self._product = activation, product
        self._x_scale, self._w_scale = x.scale, weights.scale
        self._bias = weights.real_bias_less(product.offset)

    def run(self, post_op: PostOp | None, out: QParams | None) -> Kernel:
        """One call where the post-op exists; else float32, the activation, and codes."""
        product, out_spec = self._product, out_of(out)
        x_scale, w_scale, bias = self._x_scale, self._w_scale, self._bias
        if post_op is not None:
            return lambda codes: product(codes, x_scale, w_scale, bias, out_spec, post_op)
        return lambda codes: self._finish(product(codes, x_scale, w_scale, bias, FLOAT_OUT, NO_POST_OP), out)

    def run_over_residual(self, residual: QParams | None, out: QParams | None) -> Kernel:
        """The sum in the same call, in the residual's place."""
        assert isinstance(self._product, SummingProduct)
        add_to, relu, out_spec = self._product.add_to, self._activation is Activation.RELU, out_of(out)
        x_scale, w_scale, bias = self._x_scale, self._w_scale, self._bias
        return lambda codes, into: add_to(into, residual, codes, x_scale, w_scale, bias, out_spec, relu)

    def run_with_residual(self, out: QParams | None) -> Kernel:
        """The sum in float32."""

        def run(codes: Tensor, residual: Tensor) -> Tensor:
            y = self._product(codes, self._x_scale, self._w_scale, self._bias, FLOAT_OUT, NO_POST_OP)
            return self._finish(y.add_(residual), out)

        return run

    def _finish(self, y: Tensor, out: QParams | None) -> Tensor:
        y = F.leaky_relu_(y, LEAKY_SLOPE) if self._activation is Activation.LEAKY else activate(y, self._activation)
        return y if out is None else quantise(y, out, over_input=True)
