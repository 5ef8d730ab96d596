"""The integer definition of every layer, in 64 bits, one plain step after the other: what the kernels must equal.

Integers are held in float64, which is exact below 2^53; the largest sum, of 25 088 products, is below 2^30.
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from quant.activation import activate
from quant.affine import Quantised, Value, as_codes, as_float
from quant.kernels.prepared import PreparedLayer
from quant.kernels.weighted import WeightedKernel
from quant.operations import Linear, Weighted
from quant.precision import keeps_codes

TIE = 2.0**-10
"""How near to the middle between two codes a value must lie for either to count as right, in codes: the kernels scale
in float32, the reference in float64."""


@dataclass(frozen=True)
class Comparison:
    """One layer's kernel against its definition.

    Attributes:
        elements: of the output.
        wrong_accumulators: sums that differ at all; 0 for layers without an integer product.
        wrong_codes: output codes that differ, ties aside; of a float32 output, values off by over 1e-5 of the largest.
        ties: codes one off where the exact value lies within TIE of the middle.
    """

    elements: int
    wrong_accumulators: int
    wrong_codes: int
    ties: int


def compare(prepared: PreparedLayer, *values: Value) -> Comparison:
    """Run an integer layer and its definition on the same inputs.

    Args:
        prepared: a layer of HYBRID or INT8 precision.
        values: its inputs, of any kind.
    """
    inputs = [
        as_float(value) if wanted is None else Quantised(as_codes(value, wanted), wanted)
        for value, wanted in zip(values, prepared.wanted, strict=True)
    ]
    real, sums = _define(prepared, inputs)
    wrong_sums = 0
    if sums is not None:
        found = prepared.accumulators(inputs[0])
        assert found is not None
        wrong_sums = int((found.double() != sums).sum())
    y = prepared.run(*inputs)
    if not isinstance(y, Quantised):
        far = (y.double() - real).abs() > 1e-5 * float(real.abs().max())
        return Comparison(y.numel(), wrong_sums, int(far.sum()), 0)
    exact = (real / y.qparams.scale + y.qparams.zero_point).clamp(0, 255)
    differs = y.codes.double() != exact.round()
    near = (y.codes.double() - exact).abs() <= 0.5 + TIE
    return Comparison(y.codes.numel(), wrong_sums, int((differs & ~near).sum()), int((differs & near).sum()))


def _define(prepared: PreparedLayer, inputs: list[Value]) -> tuple[Tensor, Tensor | None]:
    """The layer's values before coding, float64, and the integer sums under them."""
    operation = prepared.layer.operation
    if isinstance(operation, Weighted):
        assert prepared.integer is not None
        sums = _sums(operation, prepared.integer, inputs[0])
        weights = prepared.integer.weights
        channelwise = (-1,) + (1,) * (sums.dim() - 2)
        scale = prepared.integer.x.scale * weights.scale.double()
        real = (sums + weights.bias.double().view(channelwise)) * scale.view(channelwise)
        if len(inputs) == 2:
            real = real + _real(inputs[1])
        return activate(real, operation.activation), sums
    if keeps_codes(operation) and all(isinstance(value, Quantised) for value in inputs):
        # by way of integers, so that not even a tie can differ
        scale_of = inputs[0].qparams.scale  # type: ignore[union-attr]
        return operation.run(*(_centred(value) for value in inputs)) * scale_of, None
    return operation.run(*(_real(value) for value in inputs)), None


def _sums(operation: Weighted, integer: WeightedKernel, x: Value) -> Tensor:
    codes = integer.weights.codes.double()
    centred = as_codes(x, integer.x).double() - integer.x.zero_point
    if isinstance(operation, Linear):
        return F.linear(centred, codes)
    return F.conv2d(centred, codes, None, operation.stride, operation.padding, operation.dilation, operation.groups)


def _real(value: Value) -> Tensor:
    if isinstance(value, Quantised):
        return _centred(value) * value.qparams.scale
    return value.double()


def _centred(value: Value) -> Tensor:
    assert isinstance(value, Quantised)
    return value.codes.double() - value.qparams.zero_point
