"""When the supervisor starts, stops and starts anew; the children are made up, the clock is turned by hand."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest

from services.edge.errors import NotFound, NotStarted
from services.local.models import threads_each
from services.local.process import LastWords
from services.local.supervisor import Supervisor

IDLE_S = 10.0


class ManualClock:
    def __init__(self) -> None:
        self.now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@dataclass
class FakeChild:
    pid: int
    alive: bool = True
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.pid}"

    async def stop(self, grace_s: float) -> LastWords:
        self.alive = False
        self.stopped.set()
        return {}


class Spawner:
    """Starts children at once, or, while `gate` is clear, when it is set."""

    def __init__(self) -> None:
        self.children: list[FakeChild] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures = 0
        self._pids = itertools.count(1)

    async def __call__(self, model: str) -> FakeChild:
        await self.gate.wait()
        if self.failures:
            self.failures -= 1
            raise NotStarted(f"model '{model}' did not start")
        self.children.append(FakeChild(next(self._pids)))
        return self.children[-1]


@pytest.fixture
async def spawner() -> Spawner:
    return Spawner()


@pytest.fixture
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture
async def supervisor(spawner: Spawner, clock: ManualClock) -> AsyncIterator[Supervisor]:
    async with Supervisor(frozenset({"a", "b"}), spawner, IDLE_S, clock) as running:
        yield running


async def test_nothing_runs_before_it_is_asked_for(supervisor: Supervisor, spawner: Spawner) -> None:
    await supervisor.channel("a")
    assert supervisor.running() == {"a": 1}


async def test_first_uses_at_the_same_time_start_it_once(supervisor: Supervisor, spawner: Spawner) -> None:
    spawner.gate.clear()
    asked = [asyncio.create_task(supervisor.channel("a")) for _ in range(20)]
    await asyncio.sleep(0)
    asked[0].cancel()
    spawner.gate.set()
    channels = await asyncio.gather(*asked[1:])
    assert len(spawner.children) == 1
    assert len(set(map(id, channels))) == 1


async def test_a_dead_child_is_started_anew_on_the_next_use(supervisor: Supervisor, spawner: Spawner) -> None:
    before = await supervisor.channel("a")
    spawner.children[0].alive = False
    after = await supervisor.channel("a")
    assert after is not before
    assert supervisor.running() == {"a": 2}


async def test_the_idle_stop_and_the_used_stay(supervisor: Supervisor, spawner: Spawner, clock: ManualClock) -> None:
    await supervisor.channel("a")
    await supervisor.channel("b")
    clock.now_s = IDLE_S - 1
    await supervisor.channel("b")
    clock.now_s = IDLE_S
    supervisor.stop_idle()
    await asyncio.wait_for(spawner.children[0].stopped.wait(), 1)
    assert supervisor.running() == {"b": 2}
    await supervisor.channel("a")
    assert supervisor.running() == {"a": 3, "b": 2}


async def test_a_failed_start_is_reported_to_all_who_wait_and_tried_again_by_the_next(
    supervisor: Supervisor, spawner: Spawner
) -> None:
    spawner.failures = 1
    answers = await asyncio.gather(*(supervisor.channel("a") for _ in range(3)), return_exceptions=True)
    assert [type(answer) for answer in answers] == [NotStarted] * 3
    await supervisor.channel("a")
    assert supervisor.running() == {"a": 1}


async def test_a_model_that_is_not_there_is_refused_with_those_that_are(supervisor: Supervisor) -> None:
    with pytest.raises(NotFound, match="'c' is not one of a, b"):
        await supervisor.channel("c")


async def test_woken_services_run_and_those_that_did_not_start_are_named(
    supervisor: Supervisor, spawner: Spawner
) -> None:
    assert await supervisor.wake(["b"]) == {}
    spawner.failures = 1
    assert await supervisor.wake(["a", "b"]) == {"a": "model 'a' did not start"}
    assert await supervisor.wake(["a", "b"]) == {}
    assert sorted(supervisor.running()) == ["a", "b"]


async def test_what_starts_just_now_is_known(supervisor: Supervisor, spawner: Spawner) -> None:
    spawner.gate.clear()
    waking = asyncio.create_task(supervisor.wake(["a"]))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert supervisor.starting() == {"a"}
    spawner.gate.set()
    await waking
    assert supervisor.starting() == frozenset()


async def test_leaving_stops_every_child_and_gives_up_what_still_starts(spawner: Spawner, clock: ManualClock) -> None:
    async with Supervisor(frozenset({"a", "b"}), spawner, IDLE_S, clock) as supervisor:
        await supervisor.channel("a")
        spawner.gate.clear()
        waiting = asyncio.create_task(supervisor.channel("b"))
        await asyncio.sleep(0)
    assert [child.alive for child in spawner.children] == [False]
    with pytest.raises(asyncio.CancelledError):
        await waiting


@pytest.mark.parametrize(("cpus", "models", "threads"), [(2, 3, 1), (2, 1, 2), (8, 3, 2), (1, 1, 1), (4, 0, 4)])
def test_threads_are_split_without_one_cpu_given_twice(cpus: int, models: int, threads: int) -> None:
    assert threads_each(cpus, models) == threads
