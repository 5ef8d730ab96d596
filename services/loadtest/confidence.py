"""How sure a count makes us: exact binomial tests and intervals, at 99 %."""

import math
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

CONFIDENCE = 0.99
Z_99 = 2.3263478740408408
"""The normal distribution's 99 % quantile, of one side."""


@dataclass(frozen=True)
class Bounds:
    """A measured value between the bounds of its interval."""

    low: float
    value: float
    high: float


def at_most(k: int, n: int, p: float) -> float:
    """Return the probability of `k` or fewer successes in `n` trials that succeed with probability `p`, 0 < p < 1."""
    if k >= n:
        return 1.0
    if k > n * p:
        return 1.0 - at_most(n - k - 1, n, 1 - p)
    # From the largest term down, as far as they count.
    log_largest = math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
    term = math.exp(log_largest + k * math.log(p) + (n - k) * math.log1p(-p))
    total = term
    while k > 0 and term > total * 1e-17:
        term *= k * (1 - p) / ((n - k + 1) * p)
        total += term
        k -= 1
    return total


def sure_of_at_least(good: int, n: int, share: float) -> float:
    """Return how sure `good` of `n` makes us that a larger part than `share` is good in the long run.

    It is the probability that a service with exactly that part would have had more bad ones.
    """
    return 1.0 - at_most(n - good, n, 1 - share) if n else 0.0


def sure_of_less(good: int, n: int, share: float) -> float:
    """Return how sure `good` of `n` makes us that a smaller part than `share` is good in the long run."""
    return 1.0 - at_most(good, n, share) if n else 0.0


def requests_needed(bad: int, share: float) -> int:
    """Return how many requests prove that `share` are good, where `bad` of them are not.

    Source: MLPerf Inference LoadGen, early stopping: the least n with P(X <= bad) < 1 - 0.99, X binomial of n and
    1 - share, tolerance 0.
    """
    low, high = bad, bad + 1
    while at_most(bad, high, 1 - share) >= 1 - CONFIDENCE:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if at_most(bad, middle, 1 - share) < 1 - CONFIDENCE else (middle, high)
    return high


def percentile(ordered: Sequence[float], share: float) -> Bounds:
    """Estimate a percentile, and between which two of the values it lies.

    Args:
        ordered: at least one value, ascending.
    Returns:
        The nearest rank, and order statistics that hold the percentile with 98 %, 99 % on each side; an end for which
        there are too few values is infinite.
    Source: H. A. David and H. N. Nagaraja, Order Statistics (2003), section 7.1.
    """
    n = len(ordered)
    nearest = ordered[max(0, math.ceil(share * n) - 1)]
    # The r-th value is over the percentile if at most r - 1 of all are under it.
    sure = [1 - CONFIDENCE, CONFIDENCE]
    low, high = (bisect_left(range(n), limit, key=lambda r: at_most(r, n, share)) for limit in sure)
    return Bounds(ordered[low - 1] if low else -math.inf, nearest, ordered[high] if high < n else math.inf)


def mean(values: Sequence[float]) -> Bounds:
    """Estimate a mean, with 99 % on each side; at least one value.

    Of few values the normal distribution says too much, so from fewer than 30 the interval is all there is.
    """
    n = len(values)
    centre = math.fsum(values) / n
    if n < 30:
        return Bounds(-math.inf, centre, math.inf)
    half = Z_99 * math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (n - 1) / n)
    return Bounds(centre - half, centre, centre + half)
