"""Search the highest load inside an SLO."""

from collections.abc import Awaitable, Callable

from services.loadtest.verdict import Verdict

MOST_RUNS = 12
PRECISION = 1.05
"""The search ends when the lowest load that did not pass is at most this many times the highest that did."""


async def find_highest(
    passes: Callable[[float], Awaitable[Verdict]], first: float, may_run: Callable[[float], bool] = lambda _: True
) -> float | None:
    """Return the highest factor whose run passes, within `PRECISION` or after `MOST_RUNS`; None where none does.

    Doubles until a run does not pass, or halves until one does, then bisects, by ratios: loads differ by factors.

    Args:
        passes: runs at a factor; "not proved" counts as not passed.
        may_run: tells whether a run at a factor is one that may be made; where it is not, the search ends.
    """
    low: float | None = None
    high: float | None = None
    factor = first
    for _ in range(MOST_RUNS):
        if not may_run(factor):
            break
        if await passes(factor) is Verdict.PASS:
            low = factor
        else:
            high = factor
        if low is not None and high is not None and high <= PRECISION * low:
            break
        if low is None:
            factor = factor / 2
        elif high is None:
            factor = 2 * factor
        else:
            factor = (low * high) ** 0.5
    return low
