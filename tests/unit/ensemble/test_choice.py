"""Which members start: those that fit the time that is left, the best measured subset of them, or none."""

import math
from collections.abc import Sequence
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.edge.errors import LateAlready
from services.ensemble.choice import choose_members
from services.ensemble.domain import EnsembleMode, WhenLate

FORECASTS = {"a": 0.1, "b": 0.2, "c": 0.3}
GIVEN_S = 1.0
MEASURED = {("a",): 0.8, ("b",): 0.7, ("c",): 0.6, ("a", "b"): 0.75, ("a", "c"): 0.9, ("b", "c"): 0.5}


def measured(models: Sequence[str]) -> float | None:
    return MEASURED.get(tuple(models))


def choose(
    left_s: float | None,
    mode: EnsembleMode = EnsembleMode.PARALLEL,
    when_late: WhenLate = WhenLate.SUBSET,
    min_members: int = 1,
    forecasts_s: dict[str, float] = FORECASTS,
) -> tuple[str, ...]:
    return choose_members(forecasts_s, left_s, GIVEN_S, mode, when_late, min_members, measured)


def test_all_start_where_all_fit_or_nothing_ends() -> None:
    assert choose(0.3) == choose(None) == ("a", "b", "c")
    assert choose(0.7, EnsembleMode.SERIAL) == ("a", "b", "c")


def test_the_best_measured_subset_that_fits_starts() -> None:
    assert choose(0.25) == ("a",)  # it alone is more often right than with b
    assert choose(0.25, min_members=2) == ("a", "b")
    assert choose(0.45, EnsembleMode.SERIAL) == ("a", "c")


def test_the_largest_that_fits_starts_where_not_all_were_measured() -> None:
    forecasts_s = {"a": 0.1, "x": 0.2, "y": 9.0}
    assert choose(0.25, forecasts_s=forecasts_s) == ("a", "x")


def test_all_start_whatever_is_forecast_where_that_is_declared() -> None:
    assert choose(0.0, when_late=WhenLate.START) == ("a", "b", "c")


@pytest.mark.parametrize(
    ("left_s", "mode", "when_late", "min_members", "retry_after_s"),
    [
        (0.05, EnsembleMode.PARALLEL, WhenLate.SUBSET, 1, 0.05),
        (0.05, EnsembleMode.PARALLEL, WhenLate.SUBSET, 2, 0.15),
        (0.25, EnsembleMode.PARALLEL, WhenLate.REFUSE, 1, 0.05),
        (0.25, EnsembleMode.SERIAL, WhenLate.REFUSE, 1, 0.35),
        (0.0999, EnsembleMode.PARALLEL, WhenLate.SUBSET, 1, 0.01),
    ],
)
def test_what_cannot_be_is_refused_with_when_it_can(
    left_s: float, mode: EnsembleMode, when_late: WhenLate, min_members: int, retry_after_s: float
) -> None:
    with pytest.raises(LateAlready, match="nothing of it was started") as refused:
        choose(left_s, mode, when_late, min_members)
    assert refused.value.retry_after_s == pytest.approx(retry_after_s)


def test_a_refusal_says_what_it_takes_what_is_left_and_what_was_given() -> None:
    said = r"takes 100 ms just now until one member would have answered, and of the 15 ms that it came with 0 ms are"
    with pytest.raises(LateAlready, match=said):
        choose_members(FORECASTS, 0.0, 0.015, EnsembleMode.PARALLEL, WhenLate.SUBSET, 1, measured)


times = st.floats(0, 10)


@given(
    st.lists(times, min_size=1, max_size=5),
    times,
    st.sampled_from(EnsembleMode),
    st.integers(1, 3),
    st.dictionaries(st.integers(0, 31), st.floats(0, 1)),
)
def test_what_starts_fits_and_nothing_that_fits_is_better(
    times_s: list[float], left_s: float, mode: EnsembleMode, least: int, accuracies: dict[int, float]
) -> None:
    forecasts_s = {f"m{number}": time_s for number, time_s in enumerate(times_s)}
    least = min(least, len(times_s))

    def accuracy(models: Sequence[str]) -> float | None:
        return accuracies.get(sum(2 ** int(model[1:]) for model in models))

    def takes_s(models: Sequence[str]) -> float:
        each = [forecasts_s[model] for model in models]
        return max(each) if mode is EnsembleMode.PARALLEL else sum(each)

    subsets = [
        subset
        for size in range(least, len(forecasts_s) + 1)
        for subset in combinations(forecasts_s, size)
        if takes_s(subset) <= left_s
    ]
    retry_after_s = 0.0
    try:
        chosen = choose_members(forecasts_s, left_s, GIVEN_S, mode, WhenLate.SUBSET, least, accuracy)
    except LateAlready as refused:
        retry_after_s = refused.retry_after_s or 0.0
        chosen = ()
    if not chosen:
        assert not subsets
        after_s = left_s + retry_after_s + 1e-9
        after = choose_members(forecasts_s, after_s, GIVEN_S, mode, WhenLate.SUBSET, least, accuracy)
        assert len(after) >= least
        return
    assert chosen in subsets
    if len(chosen) < len(forecasts_s):
        values = [accuracy(subset) for subset in subsets]
        if None not in values:
            assert accuracy(chosen) == max(value for value in values if value is not None)
        else:
            assert len(chosen) == max(map(len, subsets))
    assert math.isfinite(takes_s(chosen))
