"""When requests are due."""

from collections import Counter
from itertools import pairwise
from statistics import mean, stdev

import pytest

from services.loadtest.arrivals import arrivals, expected_by
from services.loadtest.scenario import Phase

STEADY = (Phase(seconds=100, rate=50),)


def test_the_same_seed_gives_the_same_arrivals_and_another_gives_others() -> None:
    assert list(arrivals(STEADY, 1, 7)) == list(arrivals(STEADY, 1, 7))
    assert list(arrivals(STEADY, 1, 7)) != list(arrivals(STEADY, 1, 8))


def test_gaps_are_exponential() -> None:
    gaps = [after - before for before, after in pairwise(arrivals(STEADY, 2, 0))]
    assert mean(gaps) == pytest.approx(1 / 100, rel=0.05)
    assert stdev(gaps) == pytest.approx(mean(gaps), rel=0.05)


def test_the_rate_follows_the_phases_even_through_none() -> None:
    phases = (Phase(seconds=100, rate=(0, 40)), Phase(seconds=50, rate=0), Phase(seconds=100, rate=(40, 0)))
    dues_s = list(arrivals(phases, 1, 3))
    assert dues_s == sorted(dues_s)
    by_stretch = Counter(due_s // 50 for due_s in dues_s)
    # The areas below the rate's line: 500, 1500, 0, 1500, 500.
    for stretch, area in enumerate((500, 1500, 0, 1500, 500)):
        assert by_stretch[stretch] == pytest.approx(area, abs=4 * area**0.5)


def test_what_is_expected_by_a_time_is_the_area_below_the_rate() -> None:
    phases = (Phase(seconds=10, rate=(0, 4)), Phase(seconds=5, rate=3))
    assert [expected_by(phases, 2, at_s) for at_s in (0, 5, 10, 12, 15)] == [0, 10, 40, 52, 70]
