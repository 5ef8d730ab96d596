"""What readiness and liveness say of a graph that is checked again and again."""

import asyncio
from collections.abc import Iterator

import pytest

from services.edge.errors import DeadlineExceeded
from services.ensemble.vigil import Vigil, keep_vigil


class ManualClock:
    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


def test_one_late_check_changes_nothing_and_two_turn_readiness_off(clock: ManualClock) -> None:
    vigil = Vigil(clock)
    vigil.missed()
    assert (vigil.ready, vigil.lost) == (True, False)
    vigil.missed()
    assert (vigil.ready, vigil.lost) == (False, False)


def test_a_graph_that_comes_back_is_ready_at_once_and_has_all_its_time_again(clock: ManualClock) -> None:
    vigil = Vigil(clock)
    vigil.missed()
    clock.now_s += 59
    vigil.missed()
    vigil.answered()
    assert (vigil.ready, vigil.lost) == (True, False)
    clock.now_s += 59
    vigil.missed()
    vigil.missed()
    assert (vigil.ready, vigil.lost) == (False, False)


def test_a_graph_that_stays_away_is_lost(clock: ManualClock) -> None:
    vigil = Vigil(clock)
    for _ in range(2):
        clock.now_s += 31
        vigil.missed()
    assert vigil.lost


def test_a_process_that_slept_long_is_not_lost_before_it_has_asked_twice(clock: ManualClock) -> None:
    vigil = Vigil(clock)
    clock.now_s += 3600
    vigil.missed()
    assert not vigil.lost


async def test_every_check_is_reported_whatever_it_raises(clock: ManualClock) -> None:
    checks: Iterator[Exception | None] = iter([None, DeadlineExceeded("late"), RuntimeError("raylet"), None])
    reported: list[bool] = []
    done = asyncio.Event()

    async def check() -> None:
        if fault := next(checks):
            raise fault

    async def tell(vigil: Vigil) -> None:
        reported.append(vigil.ready)
        if len(reported) == 4:
            done.set()

    task = asyncio.create_task(keep_vigil(check, tell, interval_s=0, clock=clock))
    await done.wait()
    task.cancel()
    assert reported == [True, True, False, True]
