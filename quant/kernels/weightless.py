"""Runs on codes of everything that has no weights of its own: pooling, sums, products, joins, tables."""

from functools import partial, reduce

import torch
import torch.nn.functional as F
from torch import Tensor

from quant.activation import Activation, activate
from quant.affine import QParams, dequantise, quantise
from quant.kernels.floats import Kernel
from quant.kernels.products import FLOAT_OUT, NO_POST_OP, ConvProduct, out_of
from quant.kernels.weighted import sums_codes, weighted_kernel
from quant.operations import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    MaxPool,
    Mul,
    Operation,
    Pad,
    Reorg,
    Slice,
    Upsample,
)
from quant.precision import keeps_codes
from quant.scales import IntegerWeights

POOL_CHANNELS = 64
"""torch's pooling of codes is slow below so many channels (docs/adr/0101)."""
SUM_ELEMENTS = 200_000
"""Up to so many elements plain integer sums beat the depthwise convolution's call."""
WINDOW_AREA = 128 * 128
"""Up to so many pixels oneDNN takes a picture as one window."""


def code_kernels(
    operation: Operation, wanted: tuple[QParams | None, ...], out: QParams | None, input_shape: tuple[int, ...]
) -> tuple[Kernel, Kernel]:
    """Two runs from uint8 codes to uint8 codes, or to float32 where `out` is None.

    Args:
        wanted: meaning of each input's codes; None for a product's factor, which is float32. Operations that keep codes
            (`keeps_codes`) expect the output's.
        input_shape: of the first input, without N.
    Returns:
        a run that leaves its inputs as they were, and one whose output may take the second input's place.
    """
    inputs = tuple(qparams for qparams in wanted if qparams is not None)
    if isinstance(operation, Add):
        return _add(operation.activation, inputs, out, input_shape)
    kernel = _kernel(operation, inputs, out, input_shape)
    return kernel, kernel


def _kernel(
    operation: Operation, inputs: tuple[QParams, ...], out: QParams | None, input_shape: tuple[int, ...]
) -> Kernel:
    match operation:
        case GlobalAvgPool():
            return _global_average(inputs[0], out, input_shape)
        case AvgPool():
            return _average(operation, inputs[0], out, input_shape)
        case BatchNorm():
            return _batch_norm(operation, inputs[0], out, input_shape)
        case Mul():
            return _multiply(inputs[0], out, input_shape)
        case Activate() if not keeps_codes(operation):
            return partial(_look_up, table_of(operation.activation, inputs[0], out))
    if out is None:
        on_codes = _kernel(operation, inputs, inputs[0], input_shape)
        return lambda *codes: dequantise(on_codes(*codes), inputs[0])
    match operation:
        case MaxPool():
            return partial(_max_pool, operation)
        case Activate():
            return partial(torch.clamp, min=out.zero_point)
        case Pad():
            return lambda codes: F.pad(codes, operation.padding, value=out.zero_point)
        case Slice() | Reorg():
            return lambda codes: _in_memory_order(operation.run(codes))
        case Concat() | Upsample() | Flatten():
            return operation.run
        case _:
            raise NotImplementedError(type(operation).__name__)


def _in_memory_order(codes: Tensor) -> Tensor:
    """As kernels take it: a feature map channels-last, a vector row by row."""
    return codes.contiguous(memory_format=torch.channels_last if codes.dim() == 4 else torch.contiguous_format)


def table_of(activation: Activation, x: QParams, out: QParams | None) -> Tensor:
    """[256]: of each code of x its activation, as code of `out` or float32."""
    values = dequantise(torch.arange(256, dtype=torch.uint8), x)
    return _coded(activate(values, activation), out)


def _look_up(table: Tensor, codes: Tensor) -> Tensor:
    if codes.dim() != 4:
        return table.index_select(0, codes.flatten().to(torch.int32)).view(codes.shape)
    pixels = codes.permute(0, 2, 3, 1)
    return table.index_select(0, pixels.flatten().to(torch.int32)).view(pixels.shape).permute(0, 3, 1, 2)


def _max_pool(pool: MaxPool, codes: Tensor) -> Tensor:
    """Code 0 is the least, so it pads."""
    if any(pool.padding):
        codes = F.pad(codes, pool.padding, value=0)
    if codes.shape[1] >= POOL_CHANNELS:
        y: Tensor = torch.ops.quantized.max_pool2d.default(
            codes, list(pool.kernel), list(pool.stride), [0, 0], [1, 1], False
        )
        return y
    return _slide(_slide(codes, 2, pool.kernel[0], pool.stride[0]), 3, pool.kernel[1], pool.stride[1])


def _slide(codes: Tensor, axis: int, kernel: int, stride: int) -> Tensor:
    """Maximum over windows along one axis, as `kernel` strided views."""
    count = (codes.shape[axis] - kernel) // stride + 1
    index = [slice(None)] * 4

    def view(offset: int) -> Tensor:
        index[axis] = slice(offset, offset + (count - 1) * stride + 1, stride)
        return codes[tuple(index)]

    return reduce(torch.maximum, (view(offset) for offset in range(kernel)))


def _global_average(x: QParams, out: QParams | None, input_shape: tuple[int, ...]) -> Kernel:
    """Integer sums; of large pictures by the depthwise convolution, of small ones without the cost of its call."""
    C, H, W = input_shape
    if SUM_ELEMENTS < C * H * W and H * W <= WINDOW_AREA:
        return _average(AvgPool((H, W), (1, 1)), x, out, input_shape)

    def run(codes: Tensor) -> Tensor:
        sums = codes.sum((2, 3), keepdim=True, dtype=torch.int32)
        return _coded((sums - H * W * x.zero_point) * (x.scale / (H * W)), out)

    return run


def _average(pool: AvgPool, x: QParams, out: QParams | None, input_shape: tuple[int, ...]) -> Kernel:
    """A depthwise convolution with weights of code 1 and scale 1 / window, exact as any other."""
    C = input_shape[0]
    area = pool.kernel[0] * pool.kernel[1]
    window = Conv2d(torch.ones(C, 1, *pool.kernel), torch.zeros(C), pool.stride, groups=C)
    ones = IntegerWeights(
        torch.ones(C, 1, *pool.kernel, dtype=torch.int8),
        torch.full((C,), 1 / area),
        torch.zeros(C, dtype=torch.int32),
        x.scale,
    )
    left, right, top, bottom = pool.padding
    padded_shape = (C, input_shape[1] + top + bottom, input_shape[2] + left + right)
    if not any(pool.padding):
        return weighted_kernel(window, ones, x, out, padded_shape).run
    if pool.count_include_pad:
        run = weighted_kernel(window, ones, x, out, padded_shape).run
        return lambda codes: run(F.pad(codes, pool.padding, value=x.zero_point))
    sums = weighted_kernel(window, ones, x, None, padded_shape).run
    present = F.avg_pool2d(F.pad(torch.ones(1, 1, *input_shape[1:]), pool.padding), pool.kernel, pool.stride)

    def run_partial(codes: Tensor) -> Tensor:
        y = sums(F.pad(codes, pool.padding, value=x.zero_point)) / present
        return y if out is None else quantise(y, out)

    return run_partial


def _batch_norm(norm: BatchNorm, x: QParams, out: QParams | None, input_shape: tuple[int, ...]) -> Kernel:
    """A depthwise 1x1 convolution with weights of code +1 or -1 and the channel's factor as their scale."""
    if len(input_shape) != 3:
        run_float = norm.run
        return lambda codes: _coded(run_float(dequantise(codes, x)), out)
    C = input_shape[0]
    pointwise = Conv2d(torch.ones(C, 1, 1, 1), torch.zeros(C), groups=C, activation=norm.activation)
    scale = norm.scale.abs().clamp(min=2.0**-60)
    signs = torch.where(norm.scale < 0, -1, 1).to(torch.int8).view(C, 1, 1, 1)
    product = ConvProduct(pointwise, signs, x, input_shape)

    def run(codes: Tensor) -> Tensor:
        y = product(codes, x.scale, scale, norm.shift, FLOAT_OUT, NO_POST_OP)
        return _coded(activate(y, norm.activation), out)

    if norm.activation is Activation.NONE:
        out_spec = out_of(out)
        return lambda codes: product(codes, x.scale, scale, norm.shift, out_spec, NO_POST_OP)
    return run


def _multiply(x: QParams, out: QParams | None, input_shape: tuple[int, ...]) -> Kernel:
    """x times one factor a channel: a depthwise 1x1 convolution with weights of code 1 and the factors as scales."""

    def run_each(codes: Tensor, factors: Tensor) -> Tensor:
        return _coded(dequantise(codes, x) * factors, out)

    if len(input_shape) != 3:
        return run_each
    C = input_shape[0]
    pointwise = Conv2d(torch.ones(C, 1, 1, 1), torch.zeros(C), groups=C)
    product = ConvProduct(pointwise, torch.ones(C, 1, 1, 1, dtype=torch.int8), x, input_shape)
    out_spec = out_of(out)

    def run(codes: Tensor, factors: Tensor) -> Tensor:
        if factors.shape[2:] != (1, 1):
            return run_each(codes, factors)
        if len(codes) == 1:
            return product(codes, x.scale, factors.flatten(), None, out_spec, NO_POST_OP)
        pictures = zip(torch.split(codes, 1), factors.flatten(1), strict=True)
        return torch.cat([product(one, x.scale, factor, None, out_spec, NO_POST_OP) for one, factor in pictures])

    return run


def _add(
    activation: Activation, inputs: tuple[QParams, ...], out: QParams | None, shape: tuple[int, ...]
) -> tuple[Kernel, Kernel]:
    """Two feature maps: the first through a depthwise 1x1 convolution with weights 1, the second as its residual.

    `torch.ops.onednn.qadd` would be the obvious call, but it takes codes above 127 for negative ones (docs/adr/0101).
    """
    if len(inputs) == 2 and len(shape) == 3 and out is not None:
        C = shape[0]
        identity = Conv2d(torch.ones(C, 1, 1, 1), torch.zeros(C), groups=C, activation=activation)
        ones = IntegerWeights(
            torch.ones(C, 1, 1, 1, dtype=torch.int8), torch.ones(C), torch.zeros(C, dtype=torch.int32), inputs[0].scale
        )
        if sums_codes(identity):
            kernel = weighted_kernel(identity, ones, inputs[0], out, shape, inputs[1:])
            return kernel.run, kernel.run_over

    def run(*codes: Tensor) -> Tensor:
        values = [dequantise(part, qparams) for part, qparams in zip(codes, inputs, strict=True)]
        return _coded(activate(sum(values[1:], values[0]), activation), out)

    return run, run


def _coded(x: Tensor, out: QParams | None) -> Tensor:
    return x if out is None else quantise(x, out)
