"""The search of the highest load."""

import pytest

from services.loadtest.search import MOST_RUNS, PRECISION, find_highest
from services.loadtest.verdict import Verdict


@pytest.mark.parametrize("limit", [0.3, 0.99, 1.0, 7.3, 40.0])
async def test_the_highest_load_that_passes_is_found_in_few_runs(limit: float) -> None:
    tried: list[float] = []

    async def passes(factor: float) -> Verdict:
        tried.append(factor)
        return Verdict.PASS if factor <= limit else Verdict.FAIL

    found = await find_highest(passes, 1.0)
    assert found is not None
    assert limit / PRECISION <= found <= limit
    assert len(tried) <= MOST_RUNS


@pytest.mark.parametrize("verdict", [Verdict.FAIL, Verdict.NOT_PROVED])
async def test_where_nothing_passes_nothing_is_found(verdict: Verdict) -> None:
    runs = 0

    async def passes(factor: float) -> Verdict:
        nonlocal runs
        runs += 1
        return verdict

    assert await find_highest(passes, 1.0) is None
    assert runs == MOST_RUNS


@pytest.mark.parametrize(("verdict", "found", "runs"), [(Verdict.PASS, 8.0, 4), (Verdict.FAIL, None, 3)])
async def test_a_search_ends_where_the_next_run_may_not_be_made(
    verdict: Verdict, found: float | None, runs: int
) -> None:
    tried: list[float] = []

    async def passes(factor: float) -> Verdict:
        tried.append(factor)
        return verdict

    assert await find_highest(passes, 1.0, lambda factor: 0.25 <= factor <= 8) == found
    assert len(tried) == runs
