"""Copies at a workbench that is away for a while, over a database in a file."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import pytest

from services.artifacts.store import open_store
from services.console import workbench_copies as module
from services.console.database import open_database
from services.console.domain import User, UserFile, WorkbenchCopy
from services.console.sql_records import SqlRecords
from services.console.user_files import FileLimits, UserFiles
from services.console.workbench_copies import WorkbenchCopies
from services.edge.errors import ArtifactNotFound, StoreRefused, StoreUnavailable, Unavailable

ADA = User("a" * 32, "ada", "hash")
GONE, KEPT = "1" * 32, "2" * 32


class Holder:
    """A `CopyHolder` that has copies, and answers each call with the next fault while there is one."""

    def __init__(self, *copies: str) -> None:
        self.copies, self.faults = set(copies), list[Exception]()

    async def remove_file(self, user: str, file: str) -> None:
        assert user == ADA.id
        if self.faults:
            raise self.faults.pop(0)
        if file not in self.copies:
            raise ArtifactNotFound("no such file of yours")
        self.copies.remove(file)


class RecordsAwayAtFirst(SqlRecords):
    """Answers the first look at what is due with nothing."""

    looks = 0

    async def due_copies(self) -> Sequence[WorkbenchCopy]:
        self.looks += 1
        if self.looks == 1:
            raise StoreUnavailable("the database did not answer: it starts")
        return await super().due_copies()


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[SqlRecords]:
    """Of two copies of a file that has gone, and one of a file that is there."""
    database = open_database(f"sqlite:///{tmp_path / 'console.db'}")
    found = RecordsAwayAtFirst(database)
    await found.add_user(ADA)
    await found.add_file(UserFile(KEPT, ADA.id, "kept", False, 1, 1.0), [], 10)
    for copy, file in (("first", GONE), ("second", GONE), ("third", KEPT)):
        await found.note_copy(WorkbenchCopy(copy, ADA.id, file))
    yield found
    database.close()


async def until_nothing_is_due(copies: WorkbenchCopies, records: SqlRecords) -> None:
    removing = asyncio.create_task(copies.keep_removing())
    async with asyncio.timeout(20):
        while await SqlRecords.due_copies(records):
            await asyncio.sleep(0.01)
    removing.cancel()


@pytest.mark.parametrize(
    "fault",
    [Unavailable("away"), StoreRefused("not now"), OSError("a fault of ours")],
    ids=["away", "refused", "unexpected"],
)
async def test_what_is_due_goes_though_the_workbench_or_the_database_is_away_meanwhile(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch, fault: Exception
) -> None:
    monkeypatch.setattr(module, "_LOOK_AGAIN_S", 0.01)
    holder = Holder("first", "second", "third")
    holder.faults = [fault] * 3
    await until_nothing_is_due(WorkbenchCopies(records, holder), records)
    assert holder.copies == {"third"}


async def test_a_copy_that_the_workbench_has_lost_is_due_no_more(
    records: SqlRecords, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_LOOK_AGAIN_S", 0.01)
    holder = Holder("second")
    await until_nothing_is_due(WorkbenchCopies(records, holder), records)
    assert holder.copies == set()


async def test_a_copy_that_is_refused_keeps_no_other_from_going(records: SqlRecords) -> None:
    holder = Holder("first", "second")
    holder.faults = [StoreRefused("this one not")]
    copies = WorkbenchCopies(records, holder)
    removing = asyncio.create_task(copies.keep_removing())
    async with asyncio.timeout(20):
        while len(await SqlRecords.due_copies(records)) != 1:
            copies.look_now()
            await asyncio.sleep(0.01)
    removing.cancel()


async def test_a_file_that_is_removed_has_its_copies_go_at_once(records: RecordsAwayAtFirst) -> None:
    holder = Holder("first", "second", "third")
    copies = WorkbenchCopies(records, holder)
    files = UserFiles(records, open_store("memory://copies"), FileLimits(10, 10), lambda: 1.0, copies.look_now)
    removing = asyncio.create_task(copies.keep_removing())
    async with asyncio.timeout(20):
        while not records.looks:
            await asyncio.sleep(0.01)
        await files.remove(ADA.id, KEPT)
        while holder.copies:
            await asyncio.sleep(0.01)
    removing.cancel()
