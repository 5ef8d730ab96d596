"""When requests are due: a Poisson process whose rate changes as a scenario says."""

import math
import random
from collections.abc import Iterator, Sequence

from services.loadtest.scenario import Phase


def arrivals(phases: Sequence[Phase], factor: float, seed: int | str) -> Iterator[float]:
    """Yield when each request is due, in s from the start, in order.

    A Poisson process of rate 1 is bent by the inverse of the cumulated rate Λ(t): between two arrivals lies an
    exponentially distributed amount of Λ.

    Args:
        factor: all rates are multiplied by it.
        seed: the same seed gives the same arrivals.
    Source: E. Çinlar, Introduction to Stochastic Processes (1975), chapter 4, section 7.
    """
    chance = random.Random(seed)
    begins_s = 0.0
    owed = chance.expovariate(1.0)
    for phase in phases:
        first, last = (factor * rate for rate in phase.ends)
        mass = phase.seconds * (first + last) / 2
        while owed < mass:
            yield begins_s + _time_of(owed, first, last, phase.seconds)
            owed += chance.expovariate(1.0)
        owed -= mass
        begins_s += phase.seconds


def _time_of(mass: float, first: float, last: float, seconds: float) -> float:
    """Solve Λ(t) = first·t + (last - first)·t²/(2·seconds) = mass for t, in the form that no rate of 0 divides."""
    slope = (last - first) / seconds
    return 2 * mass / (first + math.sqrt(max(0.0, first * first + 2 * slope * mass)))


def expected_by(phases: Sequence[Phase], factor: float, at_s: float) -> float:
    """Return how many requests are due by a time on average, Λ(at_s)."""
    total = 0.0
    for phase in phases:
        first, last = (factor * rate for rate in phase.ends)
        passed_s = min(at_s, phase.seconds)
        total += first * passed_s + (last - first) * passed_s**2 / (2 * phase.seconds)
        at_s -= passed_s
    return total
