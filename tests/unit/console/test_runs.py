"""Runs over a database in a file, a store in memory, and a workbench that takes its time."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from services.artifacts.store import ObjectStore, open_store
from services.console import runs as module
from services.console.database import open_database
from services.console.domain import Run, RunMode, RunOrder, RunState, User
from services.console.runs import Runs
from services.console.sql_records import SqlRecords
from services.console.user_files import FileLimits, UserFiles
from services.edge.errors import StoreUnavailable

ADA = User("a" * 32, "ada", "hash")


class Workbench:
    """An `Inference` whose sessions open when they are let."""

    def __init__(self) -> None:
        self.asked, self.may_open = asyncio.Event(), asyncio.Event()
        self.open_now: set[str] = set()
        self.opened = 0

    async def send_file(self, user: str, pieces: AsyncIterator[bytes]) -> str:
        raise AssertionError("no run here is of a file")

    async def open(self, user: str, request: RunOrder, *_: object) -> str:
        self.asked.set()
        await self.may_open.wait()
        self.open_now.add("session")
        self.opened += 1
        return "session"

    async def run(self, user: str, session: str, request: RunOrder) -> str:
        return "{}"

    async def close(self, user: str, session: str) -> None:
        self.open_now.remove(session)


class RecordsAwayForAWhile(SqlRecords):
    """Answers the second and the third write of a run with nothing."""

    writes = 0

    async def write_run(self, run: Run) -> None:
        self.writes += 1
        if self.writes in (2, 3):
            raise StoreUnavailable("the database did not answer: it starts")
        await super().write_run(run)


@pytest.fixture
async def workbench() -> Workbench:
    return Workbench()


@pytest.fixture
def records(tmp_path: Path) -> Iterator[SqlRecords]:
    database = open_database(f"sqlite:///{tmp_path / 'console.db'}")
    yield RecordsAwayForAWhile(database)
    database.close()


@pytest.fixture
async def run(records: SqlRecords, workbench: Workbench, monkeypatch: pytest.MonkeyPatch) -> tuple[Runs, Run]:
    """One that has begun."""
    monkeypatch.setattr(module, "_LOOK_AGAIN_S", 0.01)
    await records.add_user(ADA)
    store = open_store("memory://runs")
    files = UserFiles(records, store, FileLimits(1 << 20, 1 << 20), lambda: 1.0, lambda: None)

    async def content() -> AsyncIterator[bytes]:
        yield b"picture"

    picture = await files.receive(ADA.id, "it.jpg", content(), None)
    runs = Runs(records, files, store, workbench, lambda: 1.0)
    return runs, await runs.start(ADA.id, RunOrder("net", False, RunMode.FLOAT, picture.id))


async def test_a_run_is_kept_when_the_database_is_there_again(run: tuple[Runs, Run], workbench: Workbench) -> None:
    runs, begun = run
    workbench.may_open.set()
    states = [each.state async for each in runs.follow(ADA.id, begun.id)]
    assert states[-1] is RunState.DONE


async def test_a_run_that_is_removed_while_it_opens_leaves_no_session(
    run: tuple[Runs, Run], workbench: Workbench
) -> None:
    runs, begun = run
    await workbench.asked.wait()
    await runs.remove(ADA.id, begun.id)
    workbench.may_open.set()
    for _ in range(100):
        await asyncio.sleep(0)
    assert await runs.list(ADA.id) == []
    assert (workbench.opened, workbench.open_now) == (1, set())


async def test_a_console_that_stops_while_a_session_opens_leaves_none_there(
    run: tuple[Runs, Run], workbench: Workbench
) -> None:
    runs, _ = run
    await workbench.asked.wait()
    asyncio.get_running_loop().call_later(0.01, workbench.may_open.set)
    await runs.stop(grace_s=20.0)
    assert (workbench.opened, workbench.open_now) == (1, set())


async def test_a_run_that_the_store_kept_from_going_can_be_removed_again(
    run: tuple[Runs, Run], workbench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs, begun = run
    workbench.may_open.set()
    assert [each async for each in runs.follow(ADA.id, begun.id)][-1].is_over

    async def refuse(_: ObjectStore, __: list[str]) -> None:
        raise StoreUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(ObjectStore, "remove", refuse)
        with pytest.raises(StoreUnavailable):
            await runs.remove(ADA.id, begun.id)
    workbench.open_now.add("session")
    await runs.remove(ADA.id, begun.id)
    assert await runs.list(ADA.id) == []
    assert not [key for key in await open_store("memory://runs").keys() if begun.id in key]
