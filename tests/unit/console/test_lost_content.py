"""What the database knows and the store has lost: said in words that help, and never in the store's."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from services.artifacts.store import ObjectStore, open_store
from services.console.database import open_database
from services.console.domain import Run, RunMode, RunOrder, User
from services.console.links import Links
from services.console.runs import Runs
from services.console.sql_records import SqlRecords
from services.console.user_files import FileLimits, UserFiles
from services.console.workbench_client import WorkbenchClient, WorkbenchInference
from services.edge.errors import ArtifactNotFound, RunNotFound, Unavailable

ADA = User("a" * 32, "ada", "hash")
MUCH = 1 << 20
RUN = Run("r" * 32, ADA.id, RunOrder("net", False, RunMode.FLOAT, "p" * 32), "net", "dog.jpg", 1, 1.0)


@pytest.fixture
def store(request: pytest.FixtureRequest) -> ObjectStore:
    return open_store(f"memory://{request.node.name}")


@pytest.fixture
async def records(tmp_path: Path) -> AsyncIterator[SqlRecords]:
    database = open_database(f"sqlite:///{tmp_path / 'console.db'}")
    found = SqlRecords(database)
    await found.add_user(ADA)
    await found.add_run(RUN, MUCH)
    yield found
    database.close()


async def lose_all(store: ObjectStore) -> None:
    keys = await store.keys()
    assert keys
    await store.remove(keys)


def says(found: pytest.ExceptionInfo[ArtifactNotFound], words: str) -> bool:
    return words in str(found.value) and "memory://" not in str(found.value)


async def test_a_download_is_refused_before_it_begins(records: SqlRecords, store: ObjectStore) -> None:
    files = UserFiles(records, store, FileLimits(MUCH, MUCH), lambda: 1.0, lambda: None)

    async def content() -> AsyncIterator[bytes]:
        yield b"content"

    file = await files.receive(ADA.id, "folder/it.bin", content(), None)
    _, pieces = await files.content(ADA.id, file.id)
    assert b"".join([piece async for piece in pieces]) == b"content"
    await lose_all(store)
    with pytest.raises(ArtifactNotFound) as caught:
        await files.content(ADA.id, file.id)
    assert says(caught, "folder/it.bin")


async def test_a_runs_picture(records: SqlRecords, store: ObjectStore) -> None:
    files = UserFiles(records, store, FileLimits(MUCH, MUCH), lambda: 1.0, lambda: None)
    runs = Runs(records, files, store, WorkbenchInference(WorkbenchClient(nowhere, str)), lambda: 1.0)
    with pytest.raises(ArtifactNotFound) as caught:
        await runs.picture(ADA.id, RUN.id)
    assert says(caught, "dog.jpg")


async def nowhere() -> grpc.aio.Channel:
    raise Unavailable("no workbench here")


async def test_a_shared_page_is_as_if_it_was_revoked(records: SqlRecords, store: ObjectStore) -> None:
    links = Links(records, store, MUCH, lambda: 1.0)
    made = await links.make(ADA.id, RUN.id, "layer", "page")
    assert await links.read(made.secret) == b"page"
    await lose_all(store)
    with pytest.raises(ArtifactNotFound) as caught:
        await links.read(made.secret)
    assert says(caught, "no longer")


async def test_a_link_to_a_run_that_went_meanwhile_is_refused_and_leaves_no_page(
    records: SqlRecords, store: ObjectStore
) -> None:
    await records.remove_run(ADA.id, RUN.id)
    with pytest.raises(RunNotFound):
        await Links(records, store, MUCH, lambda: 1.0).make(ADA.id, RUN.id, "layer", "page")
    assert await store.keys() == []


async def test_a_link_that_is_revoked_as_its_run_goes_keeps_no_other_from_going(
    records: SqlRecords, store: ObjectStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    links = Links(records, store, MUCH, lambda: 1.0)
    first, second = [await links.make(ADA.id, RUN.id, "layer", "page") for _ in range(2)]
    known = await links.list(ADA.id, RUN.id)
    await links.revoke(ADA.id, known[0].id)

    async def known_before(_: str, __: str) -> Iterator[object]:
        return iter(known)

    monkeypatch.setattr(records, "links", known_before)
    await links.revoke_all(ADA.id, RUN.id)
    assert await store.keys() == []
    for each in (first, second):
        with pytest.raises(ArtifactNotFound):
            await links.read(each.secret)
