"""Figures about a value: what it holds, how much of it was clipped, and how far it is from what it should be."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from quant.decibels import NO_NOISE_DB

VECTOR_SIDE = 8
"""Pixels, in a picture of channels that hold one number each."""
_MOST_IN_FLOAT32 = 1e14
"""Of larger elements the squares, summed over a tensor, may lie beyond float32."""


@dataclass(frozen=True)
class Statistics:
    """Of one value.

    Attributes:
        low, high, mean, std: in value units.
        zero_fraction: how many elements are exactly zero (0..1).
        clipped: how many elements lay beyond the range of their codes before they were coded; None for float.
    """

    low: float
    high: float
    mean: float
    std: float
    zero_fraction: float
    clipped: int | None


def flatten(value: Tensor) -> Tensor:
    """All elements, channels-last order: a view of a channels-last feature map, read 20 times faster."""
    return (value.permute(0, 2, 3, 1) if value.dim() == 4 else value).reshape(-1)


def describe(value: Tensor) -> Statistics:
    """Statistics of a float tensor of any shape."""
    flat = flatten(value)
    low, high = map(float, torch.aminmax(flat))
    zeros = flat.numel() - int(torch.count_nonzero(flat))
    if max(-low, high) > _MOST_IN_FLOAT32:
        flat = flat.double()
    mean = flat.mean()
    std = float(torch.linalg.vector_norm(flat - mean)) / math.sqrt(flat.numel())
    return Statistics(low, high, float(mean), std, zeros / flat.numel(), None)


def count_codes(codes: Tensor) -> Tensor:
    """[256], how often each code occurs; `codes` is uint8 of any shape and memory order."""
    return torch.bincount(flatten(codes), minlength=256)


def describe_codes(counts: Tensor, scale: float, zero_point: int, clipped: int) -> Statistics:
    """Exact statistics of a quantised value, from how often each of its 256 codes occurs (`count_codes`)."""
    values = (torch.arange(256, dtype=torch.float64) - zero_point) * scale
    total = int(counts.sum())
    weight = counts.to(torch.float64) / total
    used = counts.nonzero()
    mean = float((weight * values).sum())
    variance = float((weight * (values - mean) ** 2).sum())
    zero_fraction = int(counts[zero_point]) / total
    low, high = float(values[used[0, 0]]), float(values[used[-1, 0]])
    return Statistics(low, high, mean, math.sqrt(variance), zero_fraction, clipped)


def count_clipped(x: Tensor, low: float, high: float) -> int:
    """How many elements of a float tensor lie more than half a code beyond the values of the codes 0 and 255."""
    half = (high - low) / 510
    return int(torch.count_nonzero((x < low - half) | (x > high + half)))


def sqnr_db(wanted: Tensor, found: Tensor) -> float:
    """Signal to quantisation noise: 10 log10(sum wanted² / sum (wanted - found)²), in dB, at most NO_NOISE_DB."""
    return decibels(_length(wanted) ** 2, _length(wanted - found) ** 2)


def _length(x: Tensor) -> float:
    """The Euclidean norm, in float64 only where squares may lie beyond float32: it takes ten times as long and more."""
    length = float(torch.linalg.vector_norm(x))
    return length if 1e-15 < length < 1e15 else float(torch.linalg.vector_norm(x, dtype=torch.float64))


def decibels(signal: float, noise: float) -> float:
    """10 log10(signal / noise) of two powers, at most NO_NOISE_DB either way; noise that is not finite drowns all."""
    if noise == 0.0:
        return NO_NOISE_DB
    if signal == 0.0 or not math.isfinite(noise):
        return -NO_NOISE_DB
    return max(-NO_NOISE_DB, min(10 * (math.log10(signal) - math.log10(noise)), NO_NOISE_DB))


def cosine(wanted: Tensor, found: Tensor) -> float:
    """Cosine of the angle between two tensors, 1 where both are zero; in float64: float32 rounds to over 1."""
    wanted, found = wanted.double(), found.double()
    lengths = float(torch.linalg.vector_norm(wanted)) * float(torch.linalg.vector_norm(found))
    return float((wanted * found).sum()) / lengths if lengths else float(bool((wanted == found).all()))


def evenly(value: Tensor, limit: int = 1 << 16) -> Tensor:
    """At most `limit` elements, of all channels alike: the same ones for the same shape."""
    return flatten(value)[:: even_stride(value.shape, limit)]


def even_stride(shape: Sequence[int], limit: int) -> int:
    """At which stride at most `limit` elements of a flattened value come from all channels alike.

    It has no factor in common with their number: every third element of a picture would be its red alone.

    Args:
        shape: [N, C, H, W], [N, C] or [n].
    """
    channels = shape[1] if len(shape) > 1 else 1
    stride = -(-math.prod(shape) // limit) | 1
    while math.gcd(stride, channels) > 1:
        stride += 2
    return stride


def tile_channels(
    value: Tensor, columns: int | None = None, span: tuple[float, float] | None = None, most_side: int = 0
) -> Tensor:
    """All channels of one feature map as one grey picture.

    Args:
        value: [C, H, W] or [C], float32.
        columns: channels side by side; by default about as many as rows.
        span: what black and white stand for; by default each channel's own range.
        most_side: in pixels of the whole picture, unless it is 0; squares of a channel are averaged until it fits.
    Returns:
        uint8 [rows * (H + 1) - 1, columns * (W + 1) - 1]; each channel is stretched to 0..255 over its range, a
        constant one is mid-grey, gaps are black. Channels of a single number are squares of VECTOR_SIDE pixels,
        stretched over the range of all.
    """
    maps = value.reshape(value.shape[0], *(value.shape[1:] or (1, 1))).float()
    over: tuple[int, ...] = (1, 2)
    if maps.shape[1:] == (1, 1):
        over = (0, 1, 2)
        maps = maps.expand(-1, VECTOR_SIDE, VECTOR_SIDE)
    C, H, W = maps.shape
    columns = columns or math.ceil(math.sqrt(C))
    rows = -(-C // columns)
    if most_side:
        maps = _shrink(maps, rows, columns, most_side)
        H, W = maps.shape[1:]
    low, high = map(torch.tensor, span) if span else (maps.amin(over, keepdim=True), maps.amax(over, keepdim=True))
    grey = torch.where(high > low, (maps - low) / (high - low).clamp(min=1e-30), 0.5) * 255
    cells = torch.zeros(rows * columns, H + 1, W + 1, dtype=torch.uint8)
    cells[:C, :H, :W] = grey.round().to(torch.uint8)
    sheet = cells.view(rows, columns, H + 1, W + 1).permute(0, 2, 1, 3).reshape(rows * (H + 1), columns * (W + 1))
    return sheet[:-1, :-1]


def _shrink(maps: Tensor, rows: int, columns: int, most_side: int) -> Tensor:
    """Average squares of [C, H, W], so that rows and columns of them with gaps fit, or each is a single number."""
    H, W = maps.shape[1:]
    square = 1
    while square < max(H, W) and max(rows * (-(-H // square) + 1), columns * (-(-W // square) + 1)) - 1 > most_side:
        square += 1
    if square == 1:
        return maps
    # With N around [H, W, C] torch sees that channels lie last, and averages them so: in a twentieth of the time.
    return F.avg_pool2d(maps.permute(1, 2, 0)[None].permute(0, 3, 1, 2), square, ceil_mode=True)[0]
