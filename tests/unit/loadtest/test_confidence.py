"""How sure counts make us, against figures of MLPerf LoadGen and against counting."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.loadtest.confidence import (
    at_most,
    mean,
    percentile,
    requests_needed,
    sure_of_at_least,
    sure_of_less,
)


@pytest.mark.parametrize(("late", "needed"), [(0, 459), (1, 662)])
def test_p99_is_proved_by_as_many_requests_as_loadgen_wants(late: int, needed: int) -> None:
    assert requests_needed(late, 0.99) == needed
    assert sure_of_at_least(needed - late, needed, 0.99) > 0.99
    assert sure_of_at_least(needed - 1 - late, needed - 1, 0.99) < 0.99


@given(st.integers(1, 40), st.floats(0.01, 0.99))
def test_the_binomial_sum_is_that_of_its_definition(n: int, p: float) -> None:
    for k in range(n + 1):
        counted = sum(math.comb(n, i) * p**i * (1 - p) ** (n - i) for i in range(k + 1))
        assert at_most(k, n, p) == pytest.approx(counted, abs=1e-12)


def test_nothing_is_certain_after_no_request() -> None:
    assert sure_of_at_least(0, 0, 0.99) == sure_of_less(0, 0, 0.99) == 0


@given(st.integers(0, 300), st.integers(0, 300), st.floats(0.05, 0.95))
def test_a_share_is_never_proved_both_kept_and_broken(good: int, bad: int, share: float) -> None:
    kept, broken = sure_of_at_least(good, good + bad, share), sure_of_less(good, good + bad, share)
    assert not (kept > 0.99 and broken > 0.99)


def test_a_percentile_of_few_values_has_no_upper_bound() -> None:
    assert percentile([1.0] * 458, 0.99).high == math.inf
    assert percentile([1.0] * 459, 0.99).high == 1.0


def test_the_interval_of_a_percentile_holds_it_as_often_as_it_says() -> None:
    chance = random.Random(1)
    true_median, runs = math.log(2), 400
    outside = 0
    for _ in range(runs):
        found = percentile(sorted(chance.expovariate(1.0) for _ in range(100)), 0.5)
        outside += not found.low <= true_median <= found.high
    assert outside <= 0.02 * runs + 8  # 98 %, and three standard deviations


def test_a_mean_of_few_values_is_not_bounded_and_of_equal_ones_is_exact() -> None:
    assert mean([1.0] * 29).high == math.inf
    assert mean([2.0] * 30) == mean([2.0] * 300)
