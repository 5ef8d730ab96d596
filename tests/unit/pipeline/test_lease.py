"""A job's lease over folder and memory; tests/contract has S3."""

import asyncio
import json
from dataclasses import asdict, replace
from datetime import timedelta
from pathlib import Path

import pytest

from services.artifacts.store import ObjectStore, open_store
from services.edge.errors import JobUnderWay
from services.pipeline.lease import LEASE_S, Holder, Lease

ONE = Holder("1", "hosta", 11, "m", 1)
TWO = Holder("2", "hostb", 22, "m", 2)


@pytest.fixture(params=["folder", "memory"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> ObjectStore:
    url = str(tmp_path / "store") if request.param == "folder" else f"memory://{tmp_path}"
    return open_store(url, create=True)


class Pauses:
    """Sleep until it is told that time has passed."""

    def __init__(self) -> None:
        self.asleep_s: list[float] = []
        self._passed = asyncio.Event()

    async def __call__(self, pause_s: float) -> None:
        self.asleep_s.append(pause_s)
        await self._passed.wait()
        self._passed.clear()

    async def pass_once(self) -> None:
        """Let one pause end, and wait until the next has begun or nobody sleeps any more."""
        before = len(self.asleep_s)
        self._passed.set()
        for _ in range(200):
            await asyncio.sleep(0.005)
            if len(self.asleep_s) > before:
                return


def lease(store: ObjectStore, holder: Holder, pauses: Pauses | None = None, dead: tuple[str, ...] = ()) -> Lease:
    return Lease(store, "j", holder, lambda other: other.id in dead, pauses or Pauses())


async def begin(store: ObjectStore, holder: Holder, pauses: Pauses) -> "tuple[asyncio.Task[str], asyncio.Event]":
    """Keep the job at work until the event."""
    working, end = asyncio.Event(), asyncio.Event()

    async def work() -> str:
        working.set()
        await end.wait()
        return "done"

    kept = asyncio.create_task(lease(store, holder, pauses).keep(work()))
    waiting = asyncio.create_task(working.wait())
    await asyncio.wait((kept, waiting), return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    return kept, end


async def age(store: ObjectStore, monkeypatch: pytest.MonkeyPatch, by_s: float) -> None:
    """Have the store say that leases were written so much earlier."""
    modified = ObjectStore.modified

    async def earlier(self: ObjectStore, key: str) -> object:
        found = await modified(self, key)
        return found - timedelta(seconds=by_s) if "/lease/" in key else found

    monkeypatch.setattr(ObjectStore, "modified", earlier)


async def test_a_second_driver_is_refused_with_the_name_of_the_first_and_what_to_do(store: ObjectStore) -> None:
    kept, end = await begin(store, ONE, Pauses())
    for refused in (lease(store, TWO).check(), lease(store, TWO).keep(asyncio.sleep(0))):
        with pytest.raises(
            JobUnderWay, match=r"job 'j' is run by process 11 on hosta; let it end, or stop it .* \d+ s"
        ):
            await refused
    end.set()
    assert await kept == "done"


async def test_a_job_is_given_back_and_leaves_nothing(store: ObjectStore) -> None:
    async def fail() -> None:
        raise ValueError("broken")

    with pytest.raises(ValueError, match="broken"):
        await lease(store, ONE).keep(fail())
    kept, _ = await begin(store, TWO, Pauses())
    kept.cancel()
    with pytest.raises(asyncio.CancelledError):
        await kept
    await lease(store, ONE).check()
    assert await store.keys() == []


async def test_the_lease_of_a_driver_that_died_runs_out(store: ObjectStore, monkeypatch: pytest.MonkeyPatch) -> None:
    await store.write("j/lease/000001", json.dumps(asdict(ONE)).encode())
    await age(store, monkeypatch, LEASE_S - 5)
    with pytest.raises(JobUnderWay):
        await lease(store, TWO).check()
    await age(store, monkeypatch, 5)
    kept, end = await begin(store, TWO, Pauses())
    assert await store.keys() == ["j/lease/000002"]
    end.set()
    assert await kept == "done"


async def test_a_driver_that_is_seen_dead_is_not_waited_for(store: ObjectStore) -> None:
    await store.write("j/lease/000001", json.dumps(asdict(ONE)).encode())
    await lease(store, TWO, dead=(ONE.id,)).check()


async def test_a_lease_is_renewed_in_time(store: ObjectStore) -> None:
    pauses = Pauses()
    kept, end = await begin(store, ONE, pauses)
    first = await store.modified("j/lease/000001")
    await asyncio.sleep(0.01)
    await pauses.pass_once()
    assert await store.modified("j/lease/000001") > first
    assert sum(pauses.asleep_s) < LEASE_S
    end.set()
    await kept


async def test_a_driver_that_slept_too_long_breaks_off_and_leaves_the_other_alone(store: ObjectStore) -> None:
    pauses = Pauses()
    kept, _ = await begin(store, ONE, pauses)
    await store.write("j/lease/000002", json.dumps(asdict(TWO)).encode())
    await store.remove(["j/lease/000001"])
    await pauses.pass_once()
    with pytest.raises(JobUnderWay, match="taken over by process 22 on hostb"):
        await kept
    assert await store.keys() == ["j/lease/000002"]


async def test_of_many_that_take_a_job_at_once_one_gets_it(store: ObjectStore) -> None:
    holders = [replace(ONE, id=str(number)) for number in range(8)]
    begun = await asyncio.gather(*(begin(store, holder, Pauses()) for holder in holders))
    kept = [task for task, _ in begun if not task.done()]
    assert len(kept) == 1
    assert all(isinstance(task.exception(), JobUnderWay) for task, _ in begun if task.done())
    for _, end in begun:
        end.set()
    await asyncio.gather(*kept)
