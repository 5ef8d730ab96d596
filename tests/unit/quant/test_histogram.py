"""Bins merge exactly, and the noise model agrees with rounding done for real."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from quant.errors import NonFiniteValue
from quant.histogram import RunningHistogram, histogram_of_rows


def counted(*parts: torch.Tensor, bins: int = 2048) -> RunningHistogram:
    running = RunningHistogram(bins)
    for part in parts:
        running.add(part)
    return running


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 9)), min_size=1, max_size=5), st.integers(0, 99))
def test_growing_the_range_gives_the_bins_of_counting_all_at_once(ranges: list[tuple[float, float]], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(50, generator=generator) * 2**spread + 2**shift for shift, spread in ranges]
    grown, once = counted(*parts, bins=64).histogram(), counted(torch.cat(parts), bins=64).histogram()
    assert grown.total == once.total
    assert (grown.low, grown.high) == (once.low, once.high)
    assert grown.width >= once.width
    # the coarser of the two, merged from the other, is the same
    edges = grown.centres + grown.width / 2
    wanted = torch.tensor([float((torch.cat(parts).double() < edge).sum()) for edge in edges[0]])
    assert torch.equal(grown.counts.cumsum(1)[0], wanted.double())


@settings(max_examples=60, deadline=None)
@given(st.lists(st.tuples(st.floats(-9, 9), st.floats(0, 9)), min_size=2, max_size=4), st.integers(0, 99))
def test_merging_histograms_gives_the_bins_of_counting_together(ranges: list[tuple[float, float]], seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    parts = [torch.randn(50, generator=generator) * 2**spread + 2**shift for shift, spread in ranges]
    merged = RunningHistogram(64)
    for part in parts:
        merged.merge(counted(part, bins=64))
    found, wanted = merged.histogram(), counted(*parts, bins=64).histogram()
    for name in ("counts", "width", "first", "low", "high"):
        assert torch.equal(getattr(found, name), getattr(wanted, name)), name


def test_every_value_is_counted_within_the_range() -> None:
    histogram = counted(torch.tensor([-3.0, 5.0]), torch.tensor([1000.0]), torch.tensor([-4000.0])).histogram()
    assert histogram.total == 4
    assert (histogram.low.item(), histogram.high.item()) == (-4000, 1000)
    assert histogram.centres[0, histogram.counts[0] > 0].tolist() == pytest.approx([-4000, -3, 5, 1000], abs=2)


@pytest.mark.parametrize("channels", [3, 8])
def test_large_tensors_are_sampled_evenly_over_channels(channels: int) -> None:
    x = torch.arange(float(channels)).view(1, channels, 1, 1).expand(1, channels, 64, 64)
    limit = x.numel() // 3 + 1
    running = RunningHistogram()
    running.add(x.contiguous(memory_format=torch.channels_last), sample_limit=limit)
    counts = running.histogram().counts
    assert counts.sum() <= limit
    used = counts[counts > 0]
    assert len(used) == channels
    assert used.max() - used.min() <= 1


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_non_finite_activation_is_refused_and_not_counted(bad: float) -> None:
    running = counted(torch.ones(3))
    with pytest.raises(NonFiniteValue):
        running.add(torch.tensor([1.0, bad]))
    assert running.histogram().total == 3


@pytest.mark.parametrize(("low", "high"), [(-1.0, 1.0), (-0.3, 2.0), (-3.0, 3.0), (0.0, 2.5)])
def test_expected_noise_is_within_5_percent_of_the_noise_of_rounding(low: float, high: float) -> None:
    values = torch.randn(1, 200_000, generator=torch.Generator().manual_seed(0))
    step = (high - low) / 255
    rounded = (values / step).round().clamp(round(low / step), round(high / step)) * step
    real = ((rounded - values) ** 2).sum()
    ends = [torch.tensor([[end]], dtype=torch.float64) for end in (low, high, step)]
    assert histogram_of_rows(values).noise(*ends).item() == pytest.approx(real.item(), rel=0.05)


@pytest.mark.parametrize("reach", [0.7, 1.0, 1.3])
def test_nothing_lies_beyond_the_largest_value_or_below_the_smallest(reach: float) -> None:
    values = torch.linspace(-reach, reach, 1001)[None]
    histogram = histogram_of_rows(values)
    ends = torch.cat((histogram.low, histogram.high))[None]
    assert histogram.moments_below(ends)[0].tolist() == [[0, 1001]]


def test_a_quantile_is_the_edge_below_which_its_share_lies() -> None:
    histogram = histogram_of_rows(torch.linspace(-1, 1, 100_001)[None])
    for fraction in (0.25, 0.5, 0.9):
        below = histogram.moments_below(histogram.quantile(fraction)[:, None])[0].item() / 100_001
        assert below == pytest.approx(fraction, abs=1 / 512)  # a bin of 1024 over 2
    assert histogram.quantile(0.0).item() == -1
    assert histogram.quantile(1.0).item() == 1


def test_folded_counts_are_those_of_magnitudes() -> None:
    values = torch.randn(3, 5000, generator=torch.Generator().manual_seed(0))
    folded = histogram_of_rows(values).folded()
    magnitudes = histogram_of_rows(values.abs())
    assert torch.equal(folded[:, :512], magnitudes.counts[:, 512:])
