"""Interleaved rounds: every subject is measured once a round, so a machine that drifts drifts under all of them."""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from services.edge.progress import Progress, no_progress


@dataclass(frozen=True)
class Spread:
    """What the rounds gave for one subject: `values` in the order of the rounds, in the subject's own unit."""

    values: tuple[float, ...]

    @property
    def median(self) -> float:
        return median(self.values)

    @property
    def low(self) -> float:
        return min(self.values)

    @property
    def high(self) -> float:
        return max(self.values)

    def over(self, divisor: float) -> "Spread":
        """Divide each round's value."""
        return Spread(tuple(value / divisor for value in self.values))


def turns(names: Iterable[str], rounds: int) -> Iterator[tuple[int, str]]:
    """Name each subject once per round, with the round's number from 0.

    Every other round goes backwards, so that no subject always follows the same one.
    """
    forwards = list(names)
    for number in range(rounds):
        for name in forwards[:: -1 if number % 2 else 1]:
            yield number, name


def interleave(
    subjects: Mapping[str, Callable[[], float]], rounds: int, progress: Progress = no_progress
) -> dict[str, Spread]:
    """Measure each subject once per round, in turn."""
    values: dict[str, list[float]] = {name: [] for name in subjects}
    for measured, (_, name) in enumerate(turns(subjects, rounds), 1):
        values[name].append(subjects[name]())
        progress(name, measured, rounds * len(subjects))
    return {name: Spread(tuple(each)) for name, each in values.items()}


def with_spread(key: str, spread: Spread) -> dict[str, float]:
    """The median as a figure, with the lowest and the highest round beside it."""
    return {key: spread.median, f"{key}.low": spread.low, f"{key}.high": spread.high}


def ratio(numerator: Spread, denominator: Spread) -> Spread:
    """Divide round by round: both sides of each quotient were measured next to each other."""
    return Spread(tuple(a / b for a, b in zip(numerator.values, denominator.values, strict=True)))


def percentile(values: Sequence[float], share: float) -> float:
    """Take the smallest value that at least `share` of all values do not exceed (nearest rank).

    Raises:
        ValueError: no values, or a share outside (0, 1].
    """
    if not values or not 0 < share <= 1:
        raise ValueError(f"percentile {share} of {len(values)} values")
    return sorted(values)[math.ceil(share * len(values)) - 1]
