"""Intervals against published figures."""

import math

import numpy as np
import pytest

from services.ensemble.intervals import paired_difference, wilson


def test_wilson_agrees_with_newcombes_table() -> None:
    """R. G. Newcombe, Two-sided confidence intervals for the single proportion, Stat. Med. 17 (1998), table I."""
    for right, n, low, high in ((81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611)):
        interval = wilson(right, n)
        assert (interval.low, interval.high) == pytest.approx((low, high), abs=5e-5)


def test_paired_difference_agrees_with_newcombes_example() -> None:
    """The example of 36, 12, 2 and 0 pairs in the paper the method is from: method 10 gives 0.0569 to 0.3404."""
    interval = paired_difference(36, 12, 2, 0)
    assert interval.value == pytest.approx(0.2)
    assert (interval.low, interval.high) == pytest.approx((0.0569, 0.3404), abs=5e-5)


def test_a_correlation_within_half_a_picture_counts_as_none() -> None:
    """Method 10 takes n / 2 = 7 off the numerator 5 * 3 - 3 * 3 = 6: nothing is left, so both intervals just add up."""
    interval, alone = paired_difference(5, 3, 3, 3), wilson(8, 14)
    assert interval.high == pytest.approx(math.hypot(alone.high - alone.value, alone.value - alone.low))


def test_swapping_the_two_mirrors_the_interval() -> None:
    one, other = paired_difference(800, 60, 30, 110), paired_difference(800, 30, 60, 110)
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))


def test_two_that_agree_everywhere_differ_by_nothing() -> None:
    interval = paired_difference(90, 0, 0, 10)
    assert interval.value == 0
    assert interval.low < 0 < interval.high
    assert interval.high - interval.low < wilson(90, 100).high - wilson(90, 100).low


def test_the_paired_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    shares, rounds, n = [0.85, 0.05, 0.03, 0.07], 2000, 500
    counts = np.random.default_rng(0).multinomial(n, shares, rounds)
    covered = sum(
        (interval := paired_difference(*map(int, row))).low <= shares[1] - shares[2] <= interval.high for row in counts
    )
    assert 0.94 <= covered / rounds <= 0.975
