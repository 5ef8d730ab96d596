"""Codes and what they mean: value = scale * (code - zero_point)."""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from quant.errors import InvalidScale

_ROUND = 1.5 * 2**23
"""Added to a float32 of magnitude below 2^22 it leaves the value, rounded half to even, in the lowest bits."""


@dataclass(frozen=True)
class QParams:
    """The meaning of a uint8 tensor's codes.

    Attributes:
        scale: > 0, in value units per code.
        zero_point: 0..255, the code of the value 0.
    Raises:
        InvalidScale: a scale that is not positive and finite in float32, a zero point outside 0..255.
    """

    scale: float
    zero_point: int

    def __post_init__(self) -> None:
        if not (math.isfinite(self.scale) and 2.0**-126 <= self.scale < 2.0**126):
            raise InvalidScale(f"a scale must be positive and finite, not {self.scale}")
        if not 0 <= self.zero_point <= 255:
            raise InvalidScale(f"a zero point must be in 0..255, not {self.zero_point}")

    @classmethod
    def of_range(cls, low: float, high: float) -> "QParams":
        """Spread the 256 codes over [low, high], stretched to take in zero; scale 1 where both are zero."""
        low, high = min(low, 0.0), max(high, 0.0)
        scale = max((high - low) / 255, 2.0**-100) if high > low else 1.0
        return cls(scale, min(255, max(0, round(-low / scale))))

    @property
    def low(self) -> float:
        """The value of code 0."""
        return -self.zero_point * self.scale

    @property
    def high(self) -> float:
        """The value of code 255."""
        return (255 - self.zero_point) * self.scale


@dataclass(frozen=True, eq=False)
class Quantised:
    """`codes` uint8, of any shape; `qparams` says what they mean."""

    codes: Tensor
    qparams: QParams


Value = Tensor | Quantised
"""What flows between layers: a float32 tensor, or codes."""


def quantise(x: Tensor, qparams: QParams, over_input: bool = False) -> Tensor:
    """The nearest codes, half to even, clipped to 0..255; uint8 in x's memory format. `x` is float32 and finite.

    Args:
        over_input: x is not needed any more, so its memory may be used.
    """
    return _rounded(x, qparams, x if over_input else None).view(torch.int32).to(torch.uint8)


def quantise_planes(x: Tensor, qparams: QParams) -> Tensor:
    """As `quantise`, but channels-last whatever x is, and faster for few channels: each plane stays in the cache."""
    codes = torch.empty_like(x, dtype=torch.uint8, memory_format=torch.channels_last)
    rounded = torch.empty_like(x[:, 0], memory_format=torch.contiguous_format)
    lowest_bytes = rounded.view(torch.uint8)[..., ::4]
    for channel in range(x.shape[1]):
        _rounded(x[:, channel], qparams, rounded)
        codes[:, channel] = lowest_bytes
    return codes


def _rounded(x: Tensor, qparams: QParams, out: Tensor | None) -> Tensor:
    """float32 whose lowest byte is the code."""
    shifted = torch.add(torch.tensor(_ROUND + qparams.zero_point), x, alpha=1.0 / qparams.scale, out=out)
    return shifted.clamp_(_ROUND, _ROUND + 255)


def dequantise(codes: Tensor, qparams: QParams) -> Tensor:
    """The float32 values of uint8 codes."""
    x = codes.to(torch.float32)
    if qparams.zero_point:
        x.sub_(qparams.zero_point)
    return x.mul_(qparams.scale)


def as_float(value: Value) -> Tensor:
    """The value as float32."""
    return dequantise(value.codes, value.qparams) if isinstance(value, Quantised) else value


def as_codes(value: Value, qparams: QParams) -> Tensor:
    """The value as uint8 codes of the given meaning, coded anew where it has another."""
    if isinstance(value, Quantised) and value.qparams == qparams:
        return value.codes
    return quantise(as_float(value), qparams)
