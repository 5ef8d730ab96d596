"""Histograms with bins of power-of-two widths and edges at multiples of them, so that growing merges exactly."""

import math
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from quant.errors import NonFiniteValue
from quant.statistics import decibels, even_stride, flatten

BINS, ROW_BINS = 2048, 1024
"""For one value, and for each channel of a weight."""
_ULPS = 1e-12


@dataclass(frozen=True)
class Histogram:
    """Counts of R independent rows (1 for an activation, O for a weight per channel).

    Bin b of row r holds the values in [(first[r] + b) * width[r], (first[r] + b + 1) * width[r]).

    Attributes:
        counts: [R, B] float64, >= 0.
        width: [R] float64, a power of two.
        first: [R] int64, the first bin's edge in widths.
        low, high: [R] float64, the exact smallest and largest value.
    """

    counts: Tensor
    width: Tensor
    first: Tensor
    low: Tensor
    high: Tensor

    @cached_property
    def centres(self) -> Tensor:
        """[R, B], the middle of each bin."""
        bins = torch.arange(self.counts.shape[1], dtype=torch.float64)
        return (self.first[:, None] + bins + 0.5) * self.width[:, None]

    @cached_property
    def total(self) -> Tensor:
        """[R], how many values were counted."""
        return self.counts.sum(1)

    @cached_property
    def energy(self) -> Tensor:
        """[R], the sum of x² over all values."""
        return (self.counts * self.centres**2).sum(1)

    @cached_property
    def _moments(self) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of 1, x and x² below each of the B + 1 edges."""
        terms = (self.counts, self.counts * self.centres, self.counts * self.centres**2)
        return tuple(torch.nn.functional.pad(term.cumsum(1), (1, 0)) for term in terms)  # type: ignore[return-value]

    def moments_below(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Sums of 1, x and x² over the values below `x` [R, T], linear inside a bin, none or all beyond the range."""
        bins = self.counts.shape[1]
        low, high = self.low[:, None], self.high[:, None]
        position = (x / self.width[:, None] - self.first[:, None]).clamp_(0, bins)
        # the last bin reaches beyond the largest value, of which nothing lies above
        position = torch.where(x >= high - _ULPS * high.abs(), bins, position)
        position = torch.where(x <= low + _ULPS * low.abs(), 0, position)
        left = position.floor().clamp_(max=bins - 1).to(torch.int64)
        share = position - left
        below = []
        for moment in self._moments:
            start = moment.gather(1, left)
            below.append(start + share * (moment.gather(1, left + 1) - start))
        return below[0], below[1], below[2]

    def noise(self, low: Tensor, high: Tensor, step: Tensor) -> Tensor:
        """Expected squared error, summed over all values, of rounding to multiples of `step` clipped to [low, high].

        Clipped tails count exactly, the inside as step²/12 a value, and values that round to zero as x²: without that
        last part the many zeros after a ReLU would look noisy.

        Args:
            low, high, step: [R, T] candidates per row; low <= 0 <= high, step > 0.
        Returns:
            [R, T], in value units squared.
        """
        # All in one: of a few candidates each call costs more than its numbers.
        ends = torch.cat((low, high, torch.maximum(-step / 2, low), torch.minimum(step / 2, high)), 1)
        of_n, of_x, of_xx = (moment.chunk(4, 1) for moment in self.moments_below(ends))
        n_low, n_high, n_dead_low, n_dead_high = of_n
        x_low, x_high, _, _ = of_x
        xx_low, xx_high, xx_dead_low, xx_dead_high = of_xx
        n, x, xx = (moment[:, -1:] for moment in self._moments)
        under = xx_low - 2 * low * x_low + low**2 * n_low
        over = (xx - xx_high) - 2 * high * (x - x_high) + high**2 * (n - n_high)
        dead_xx = xx_dead_high - xx_dead_low
        inside = (n_high - n_low - (n_dead_high - n_dead_low)).clamp_(min=0) * step**2 / 12
        return (under + over + dead_xx + inside).clamp_(min=0)

    def sqnr_db(self, low: Tensor, high: Tensor, step: Tensor) -> list[float]:
        """Signal to `noise` of one row, for each of the candidates [1, T]."""
        energy = float(self.energy)
        return [decibels(energy, noise) for noise in self.noise(low, high, step)[0].tolist()]

    def quantile(self, fraction: float) -> Tensor:
        """[R], the value below which `fraction` of the values lie, at a bin's edge, within [low, high]."""
        below = self._moments[0]
        edge = torch.searchsorted(below, (fraction * self.total)[:, None]).squeeze(1)
        value = (self.first + edge) * self.width
        return value.clamp(self.low, self.high)

    @cached_property
    def _magnitudes(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Counts p of |x|, in bin 0 as many as in bin 1; and sums of p, of 1 if p > 0, of p log p below each edge."""
        counts = self.folded()
        counts[:, 0] = counts[:, 1]
        terms = (counts, counts > 0, torch.xlogy(counts, counts))
        mass, used, p_log_p = (torch.nn.functional.pad(term.cumsum(1), (1, 0)) for term in terms)
        return counts, mass, used, p_log_p

    def divergence(self, clips: Tensor, levels: int) -> Tensor:
        """KL(P || Q) of |x| clipped at each of `clips`, in nats.

        P has the tail in its last bin; Q is the same bins without it, merged into `levels` and spread again over those
        that are not empty. Levels are sums between bins, so running sums give each at once. The zeros of a ReLU have a
        code of their own at any scale and must not decide: bin 0 counts as bin 1 does.

        Args:
            clips: [R, T] int64, in bins from zero, >= 1.
        Returns:
            [R, T]. What P lacks altogether costs log 2^-126 a value.
        Source: S. Migacz, "8-bit inference with TensorRT", GTC 2017.
        """
        counts, mass, used, p_log_p = self._magnitudes
        bins = counts.shape[1]
        steps = torch.div(torch.arange(levels + 1) * clips[..., None], levels, rounding_mode="floor").clamp_(max=bins)
        last_bin = clips.clamp(max=bins)

        def between(sums: Tensor) -> Tensor:
            return sums.gather(1, steps.flatten(1)).view(steps.shape).diff()

        merged = between(mass)
        level_log = (merged / between(used).clamp_(min=1)).clamp_(min=2.0**-126).log_()
        kept, last = mass.gather(1, last_bin), counts.gather(1, last_bin - 1)
        total = mass[:, -1:].clamp(min=1)
        outliers = mass[:, -1:] - kept
        p = p_log_p.gather(1, last_bin) - torch.xlogy(last, last) + torch.xlogy(last + outliers, last + outliers)
        q = (merged * level_log).sum(2) + outliers * level_log[..., -1]
        return (p - q) / total - total.log() + kept.clamp(min=1).log()

    def folded(self) -> Tensor:
        """[R, B] counts of |x|, in bins of the same width that start at zero."""
        bins = self.counts.shape[1]
        index = torch.arange(bins)[None, :] + self.first[:, None]
        index = torch.where(index < 0, -index - 1, index).clamp_(max=bins - 1)
        return torch.zeros_like(self.counts).scatter_add_(1, index, self.counts)


def _bin_width(reach: float, bins: int) -> float:
    """The smallest power of two of which `bins` reach `reach` (at least 2^-126, so that zeros have a width)."""
    return 2.0 ** max(math.ceil(math.log2(reach / bins)) if reach > 0 else -126, -126)


def histogram_of_rows(values: Tensor, bins: int = ROW_BINS) -> Histogram:
    """Count each row of `values` [R, n] on a range of its own, symmetric around zero.

    Raises:
        NonFiniteValue: NaN or infinity; names the first bad row.
    """
    rows = values.shape[0]
    low, high = torch.aminmax(values, dim=1)
    reach = torch.maximum(low.abs(), high.abs()).to(torch.float64)
    if not bool(torch.isfinite(reach).all()):
        bad = int((~torch.isfinite(reach)).nonzero()[0])
        raise NonFiniteValue(f"row {bad} holds NaN or infinity; look at the weights of that channel")
    half = bins // 2
    width = torch.exp2((reach / half).clamp(min=2.0**-126).log2().ceil())
    index = (values.to(torch.float32) * (1 / width).to(torch.float32)[:, None]).floor_()
    index = index.clamp_(-half, half - 1).to(torch.int32)
    index += (torch.arange(rows, dtype=torch.int32) * bins + half)[:, None]
    counts = torch.bincount(index.reshape(-1), minlength=rows * bins).reshape(rows, bins).to(torch.float64)
    first = torch.full((rows,), -half, dtype=torch.int64)
    return Histogram(counts, width, first, low.to(torch.float64), high.to(torch.float64))


class RunningHistogram:
    """One activation's histogram, grown tensor by tensor.

    Of a tensor with more than `sample_limit` values a sample is counted, of all channels alike (`even_stride`);
    smallest and largest value are exact.
    """

    def __init__(self, bins: int = BINS) -> None:
        self._bins = bins
        self._counts = torch.zeros(bins, dtype=torch.int64)
        self._width = 0.0
        self._first = 0
        self.low = math.inf
        self.high = -math.inf

    def add(self, values: Tensor, sample_limit: int = 1 << 17) -> None:
        """Count a tensor of any shape.

        Raises:
            NonFiniteValue: NaN or infinity.
        """
        flat = flatten(values)
        low, high = (float(end) for end in torch.aminmax(flat))
        if not (math.isfinite(low) and math.isfinite(high)):
            raise NonFiniteValue("a value holds NaN or infinity; look at the weights of the layer before it")
        self.low, self.high = min(low, self.low), max(high, self.high)
        self._make_room()
        sample = flat[:: even_stride(values.shape, sample_limit)]
        index = (sample * (1 / self._width)).floor_().sub_(self._first)
        self._counts += torch.bincount(index.clamp_(0, self._bins - 1).to(torch.int32), minlength=self._bins)

    def merge(self, other: "RunningHistogram") -> None:
        """Count what `other`, of as many bins, has counted too."""
        self.low, self.high = min(other.low, self.low), max(other.high, self.high)
        self._make_room()
        index = torch.arange(self._bins) + other._first
        index = torch.div(index, self._width / other._width, rounding_mode="floor").to(torch.int64) - self._first
        self._counts.index_add_(0, index.clamp_(0, self._bins - 1), other._counts)

    def histogram(self) -> Histogram:
        """What has been counted so far, as one row.

        Raises:
            ValueError: nothing was added.
        """
        if self._width == 0.0:
            raise ValueError("nothing was counted yet")
        as_row = [torch.tensor([number], dtype=torch.float64) for number in (self._width, self.low, self.high)]
        first = torch.tensor([self._first], dtype=torch.int64)
        return Histogram(self._counts.to(torch.float64)[None], as_row[0], first, as_row[1], as_row[2])

    def _make_room(self) -> None:
        """Widen or shift the bins until [low, high] fits; two bins become one, never a part of one."""
        wanted = _bin_width(max(self.high, 0.0) - min(self.low, 0.0), self._bins - 2)
        if self._width == 0.0:
            self._width = wanted
            self._first = math.floor(min(self.low, 0.0) / wanted)
            return
        while self._width < wanted:
            index = torch.arange(self._bins) + self._first
            merged = torch.div(index, 2, rounding_mode="floor")
            self._first //= 2
            self._counts = torch.zeros_like(self._counts).scatter_add_(0, merged - self._first, self._counts)
            self._width *= 2
        start = math.floor(min(self.low, 0.0) / self._width)
        if start < self._first or math.floor(max(self.high, 0.0) / self._width) >= self._first + self._bins:
            shift = self._first - start
            self._counts = torch.roll(self._counts, shift)
            self._first = start
