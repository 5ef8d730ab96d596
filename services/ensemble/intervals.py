"""Intervals of 95 % for accuracies and for the difference of two on the same pictures."""

import math
from dataclasses import dataclass

Z_95 = 1.959963984540054
"""The normal distribution's 97.5 % quantile."""


@dataclass(frozen=True)
class Interval:
    """An estimate and the bounds of its 95 % interval, all fractions."""

    value: float
    low: float
    high: float


def wilson(right: int, n: int, z: float = Z_95) -> Interval:
    """Estimate a proportion: `right` of `n`.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927).
    """
    p = right / n
    centre = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    return Interval(p, max(0.0, centre - half), min(1.0, centre + half))


def paired_difference(both: int, first_only: int, second_only: int, neither: int) -> Interval:
    """Estimate by how much the first is right more often than the second, on the same pictures.

    Args: how many pictures both got right, the first alone, the second alone, and neither.
    Source: R. G. Newcombe, Improved confidence intervals for the difference between binomial proportions based on
    paired data, Statistics in Medicine 17 (1998), method 10: Wilson's intervals of both, squared and added, less what
    the correlation φ of the two takes away.
    """
    n = both + first_only + second_only + neither
    first, second = wilson(both + first_only, n), wilson(both + second_only, n)
    phi = _correlation(both, first_only, second_only, neither)
    difference = (first_only - second_only) / n
    down = _joint(first.value - first.low, second.high - second.value, phi)
    up = _joint(first.high - first.value, second.value - second.low, phi)
    return Interval(difference, difference - down, difference + up)


def _joint(a: float, b: float, phi: float) -> float:
    return math.sqrt(max(0.0, a * a - 2 * phi * a * b + b * b))


def _correlation(both: int, first_only: int, second_only: int, neither: int) -> float:
    """Estimate φ, its numerator corrected for continuity where it is positive, as method 10 has it."""
    margins = (both + first_only) * (second_only + neither) * (both + second_only) * (first_only + neither)
    if margins == 0:
        return 0.0
    numerator: float = both * neither - first_only * second_only
    if numerator > 0:
        numerator = max(0.0, numerator - (both + first_only + second_only + neither) / 2)
    return numerator / math.sqrt(margins)
