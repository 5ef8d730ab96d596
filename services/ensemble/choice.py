"""Which members a request starts, if any: decided before the first of them starts, by what each is forecast to take."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import combinations

from services.edge.errors import LateAlready
from services.ensemble.domain import EnsembleMode, WhenLate

_LEAST_RETRY_S = 0.01

Accuracy = Callable[[Sequence[str]], float | None]
"""Measured for exactly these members; None where it was not."""


def choose_members(
    forecasts_s: Mapping[str, float],
    left_s: float | None,
    given_s: float,
    mode: EnsembleMode,
    when_late: WhenLate,
    min_members: int,
    accuracy: Accuracy,
) -> tuple[str, ...]:
    """Choose the members to start: all where they fit the time that is left, else the best of those subsets that do.

    The best is the one with the highest measured accuracy, of equals the smallest; where not every subset that fits has
    been measured, the largest, and of equals the soonest.

    Args:
        forecasts_s: of each member, in the ensemble's order: from now until it answers.
        left_s: until the deadline; None is for ever.
        given_s: of what that is left.
    Raises:
        LateAlready: nothing fits, with the time after which something is forecast to.
    """
    models = tuple(forecasts_s)
    if left_s is None or when_late is WhenLate.START or _takes_s(models, forecasts_s, mode) <= left_s:
        return models
    if when_late is WhenLate.SUBSET:
        fitting = [each for each in _subsets(models, min_members) if _takes_s(each, forecasts_s, mode) <= left_s]
        if fitting:
            return _best(fitting, forecasts_s, mode, accuracy)
    least = len(models) if when_late is WhenLate.REFUSE else min_members
    soonest_s = _takes_s(sorted(models, key=lambda model: forecasts_s[model])[:least], forecasts_s, mode)
    raise LateAlready(
        f"it takes {_ms(soonest_s)} just now until {_members(least)} would have answered, and of the {_ms(given_s)} "
        f"that it came with {_ms(left_s)} are left; nothing of it was started: ask again later, or allow more time",
        max(_LEAST_RETRY_S, soonest_s - left_s),
    )


def _takes_s(models: Sequence[str], forecasts_s: Mapping[str, float], mode: EnsembleMode) -> float:
    times = [forecasts_s[model] for model in models]
    return max(times) if mode is EnsembleMode.PARALLEL else sum(times)


def _subsets(models: Sequence[str], least: int) -> Iterator[tuple[str, ...]]:
    for size in range(least, len(models)):
        yield from combinations(models, size)


def _best(
    subsets: Sequence[tuple[str, ...]], forecasts_s: Mapping[str, float], mode: EnsembleMode, accuracy: Accuracy
) -> tuple[str, ...]:
    measured = {subset: accuracy(subset) for subset in subsets}
    if None in measured.values():
        return max(subsets, key=lambda subset: (len(subset), -_takes_s(subset, forecasts_s, mode)))
    return max(subsets, key=lambda subset: (measured[subset] or 0.0, -len(subset)))


def _ms(time_s: float) -> str:
    return f"{math.ceil(1e3 * time_s)} ms"


def _members(count: int) -> str:
    return "one member" if count == 1 else f"{count} members"
