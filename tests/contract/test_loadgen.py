"""MLPerf LoadGen, which the project did not write, and our counts give the same verdict on the same run."""

from collections.abc import Callable
from threading import Timer

import pytest

from services.bench.loadgen import server_scenario
from services.loadtest.confidence import CONFIDENCE, requests_needed, sure_of_at_least

LIMIT_MS = 100


def answering(late: int) -> Callable[[int, Callable[[], None]], None]:
    """A service that answers all but the first few queries at once."""

    def issue(number: int, complete: Callable[[], None]) -> None:
        if number < late:
            Timer(2 * LIMIT_MS / 1e3, complete).start()
        else:
            complete()

    return issue


@pytest.mark.parametrize(
    ("share", "late", "queries"),
    [
        (0.99, 0, 459),
        (0.99, 0, 458),
        (0.99, 1, 662),
        (0.99, 1, 661),
        (0.99, 4, 1157),
        (0.9, 5, 127),
        (0.9, 5, 126),
        (0.9, 40, 200),
    ],
)
def test_loadgen_and_we_agree(share: float, late: int, queries: int) -> None:
    trial = server_scenario(answering(late), 500, LIMIT_MS, share, queries)
    # Where this machine was busy more may have been late: the verdict is on what LoadGen counted.
    assert trial.queries == queries
    assert trial.late >= late
    assert trial.valid == (requests_needed(trial.late, share) <= queries)
    assert trial.valid == (sure_of_at_least(queries - trial.late, queries, share) > CONFIDENCE)
