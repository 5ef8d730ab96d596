"""The console's records in SQLite and in a real PostgreSQL: the same answers and the same refusals."""

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import create_engine, inspect, make_url, text
from sqlalchemy.orm import Session

from services.console.database import Database, open_database, open_database_within
from services.console.domain import Link, LogIn, Run, RunMode, RunOrder, RunState, User, UserFile, WorkbenchCopy
from services.console.sql_records import SqlRecords
from services.console.tables import Base
from services.edge.errors import (
    ArtifactExists,
    InvalidDeclaration,
    NameTaken,
    QuotaExceeded,
    StoreUnavailable,
    StrataError,
)
from tests.contract.postgres_server import postgres

ADA, EVE = User("a" * 32, "ada", "hash"), User("e" * 32, "eve", "hash")
NO_LIMIT = 1 << 40


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path_factory.mktemp('records') / 'console.db'}"
    else:
        with postgres() as server:
            yield server


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """Empty at the begin of each test."""
    opened = open_database(url)
    asyncio.run(
        opened.do(lambda session: [session.execute(table.delete()) for table in Base.metadata.sorted_tables[::-1]])
    )
    yield opened
    opened.close()


@pytest.fixture
def records(database: Database) -> SqlRecords:
    found = SqlRecords(database)
    asyncio.run(found.add_user(ADA))
    asyncio.run(found.add_user(EVE))
    return found


def file(number: int, path: str, size_bytes: int = 1, is_folder: bool = False, user: User = ADA) -> UserFile:
    return UserFile(f"{number:032}", user.id, path, is_folder, size_bytes, 1.5)


def run(number: int, user: User = ADA) -> Run:
    asked = RunOrder("yolov3-tiny", False, RunMode.INT8, "p" * 32, threshold=0.25)
    return Run(f"{number:032}", user.id, asked, "yolov3-tiny", "dog.jpg", 10, float(number))


async def test_a_name_is_taken_once(records: SqlRecords) -> None:
    with pytest.raises(NameTaken, match="'ada'"):
        await records.add_user(replace(ADA, id="b" * 32))
    assert await records.user_of_name("ada") == ADA


async def test_a_log_in_lasts_until_its_time_is_over(records: SqlRecords) -> None:
    log_in = LogIn("d" * 64, ADA.id, "csrf", 100.0)
    await records.add_log_in(log_in)
    assert await records.user_of_log_in(log_in.digest, 99.9) == (ADA, log_in)
    assert await records.user_of_log_in(log_in.digest, 100.0) is None
    await records.remove_log_ins_until(100.0)
    assert await records.user_of_log_in(log_in.digest, 99.9) is None


async def test_a_files_path_is_its_own_and_folders_are_made(records: SqlRecords) -> None:
    await records.add_file(file(1, "a/b/c.jpg"), [file(2, "a", 0, True), file(3, "a/b", 0, True)], NO_LIMIT)
    assert [each.path for each in await records.files(ADA.id)] == ["a", "a/b", "a/b/c.jpg"]
    with pytest.raises(ArtifactExists):
        await records.add_file(file(4, "a/b/c.jpg"), [], NO_LIMIT)
    with pytest.raises(ArtifactExists, match="is a file"):
        await records.add_file(file(5, "a/b/c.jpg/d"), [file(6, "a/b/c.jpg", 0, True)], NO_LIMIT)
    await records.add_file(file(7, "a/b/c.jpg", user=EVE), [], NO_LIMIT)
    assert await records.file(EVE.id, file(1, "").id) is None


async def test_a_folder_moves_with_what_is_in_it_and_letters_have_their_case(records: SqlRecords) -> None:
    await records.add_file(file(1, "a", 0, True), [], NO_LIMIT)
    for number, path in enumerate(("a/x", "a/y_%", "A/x", "ab"), 2):
        await records.add_file(file(number, path), [], NO_LIMIT)
    await records.move_file(ADA.id, file(1, "").id, "z", [])
    assert [each.path for each in await records.files(ADA.id)] == ["A/x", "ab", "z", "z/x", "z/y_%"]
    assert len(await records.remove_file(ADA.id, file(1, "").id)) == 3
    assert [each.path for each in await records.files(ADA.id)] == ["A/x", "ab"]


async def test_files_that_come_at_once_do_not_pass_the_quota_together(records: SqlRecords) -> None:
    coming = [records.add_file(file(number, f"{number}", 3), [], 10) for number in range(8)]
    done = await asyncio.gather(*coming, return_exceptions=True)
    assert sorted(type(each).__name__ for each in done) == ["NoneType"] * 3 + ["QuotaExceeded"] * 5
    assert await records.used_bytes(ADA.id) == 9
    with pytest.raises(QuotaExceeded):
        await records.add_run(run(1), 10)


async def test_a_run_is_kept_as_it_is_and_stays_removed(records: SqlRecords) -> None:
    first, second = run(1), run(2)
    for each in (first, second):
        await records.add_run(each, NO_LIMIT)
    done = replace(first, state=RunState.DONE, session="s" * 24, result='{"mode": "int8"}')
    await records.write_run(done)
    assert list(await records.runs(ADA.id)) == [second, done]
    assert list(await records.unfinished_runs()) == [second]
    assert await records.run(EVE.id, first.id) is None
    await records.remove_run(EVE.id, first.id)
    assert await records.run(ADA.id, first.id) == done
    await records.remove_run(ADA.id, first.id)
    await records.write_run(done)
    assert await records.run(ADA.id, first.id) is None


async def test_a_link_is_found_by_its_secret_counts_and_goes_with_its_run(records: SqlRecords) -> None:
    await records.add_run(run(1), NO_LIMIT)
    first, second = (Link(f"{n:032}", ADA.id, run(1).id, "conv", f"{n:064}", 30, float(n)) for n in (1, 2))
    for each in (first, second):
        await records.add_link(each, NO_LIMIT)
    assert list(await records.links(ADA.id, run(1).id)) == [second, first]
    assert list(await records.links(EVE.id, run(1).id)) == []
    assert await records.link_of(first.digest) == first
    assert await records.used_bytes(ADA.id) == run(1).picture_bytes + 60
    with pytest.raises(QuotaExceeded):
        await records.add_link(replace(first, id="3" * 32, digest="3" * 64), 90)
    assert await records.remove_link(EVE.id, first.id) is None
    assert await records.remove_link(ADA.id, first.id) == first
    assert await records.link_of(first.digest) is None
    await records.remove_run(ADA.id, run(1).id)
    assert await records.link_of(second.digest) is None


async def test_copies_are_due_when_their_file_has_gone_until_they_have(records: SqlRecords) -> None:
    await records.add_file(file(1, "a", 0, True), [], NO_LIMIT)
    for number, path in ((2, "a/x"), (3, "y")):
        await records.add_file(file(number, path), [], NO_LIMIT)
    first, second, other, late = (
        WorkbenchCopy(letter * 24, ADA.id, file(int(number), "").id) for letter, number in ("a2", "b2", "c3", "d4")
    )
    for each in (first, second, other):
        await records.note_copy(each)
    assert await records.due_copies() == []
    found = await records.file(ADA.id, first.file)
    assert found is not None
    assert found.workbench_file == second.id
    await records.remove_file(ADA.id, file(1, "").id)
    await records.note_copy(late)  # its file went while it was sent
    assert set(await records.due_copies()) == {first, second, late}
    await records.forget_copy(first.id)
    assert set(await records.due_copies()) == {second, late}


async def test_wrong_passwords_are_counted_by_name_and_forgotten(records: SqlRecords) -> None:
    for at_s in (1.0, 5.0, 3.0):
        await records.add_failure("ada", at_s)
    assert list(await records.failures_since("ada", 2.0)) == [3.0, 5.0]
    assert list(await records.failures_since("ada", 0.0)) == [3.0, 5.0]
    assert list(await records.failures_since("eve", 0.0)) == []


async def test_copies_that_were_known_before_there_was_a_table_of_them_are_in_it(database: Database, url: str) -> None:
    records = SqlRecords(database)
    await records.add_user(ADA)
    for number, copy in ((1, "c" * 24), (2, "")):
        await records.add_file(replace(file(number, f"{number}"), workbench_file=copy), [], NO_LIMIT)

    def go_back(session: Session) -> None:
        session.execute(text("DROP TABLE workbench_copies"))
        session.execute(text("UPDATE alembic_version SET version_num = '0002'"))

    await database.do(go_back)
    open_database(url).close()
    for number in (1, 2):
        await records.remove_file(ADA.id, file(number, "").id)
    assert await records.due_copies() == [WorkbenchCopy("c" * 24, ADA.id, file(1, "").id)]


def test_the_migrations_make_the_tables_that_the_code_has(url: str) -> None:
    open_database(url).close()
    parsed = make_url(url)
    engine = create_engine(parsed.set(drivername="postgresql+psycopg") if "postgres" in url else parsed)
    with engine.connect() as connection:
        found = inspect(connection)
        for table in Base.metadata.sorted_tables:
            made = {column["name"]: column["nullable"] for column in found.get_columns(table.name)}
            assert made == {column.name: column.nullable for column in table.columns}, table.name
            indexed = {tuple(index["column_names"]) for index in found.get_indexes(table.name)}
            assert {tuple(index.columns.keys()) for index in table.indexes} <= indexed, table.name
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("mysql://nobody@nowhere/x", InvalidDeclaration),
        ("no url", InvalidDeclaration),
        ("postgresql://strata@127.0.0.1:1/x", StoreUnavailable),
    ],
)
def test_a_database_that_cannot_be_used_is_said_without_its_password(url: str, error: type[StrataError]) -> None:
    with pytest.raises(error):
        open_database(url)


def test_a_database_file_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    with pytest.raises(StoreUnavailable, match="unable to open"):
        open_database(f"sqlite:///{tmp_path / 'missing' / 'console.db'}")


async def test_a_database_that_is_still_starting_is_waited_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    faults = [StoreUnavailable("connection refused"), StoreUnavailable("the database system is starting up")]

    def starting(url: str) -> Database:
        if faults:
            raise faults.pop()
        return open_database(f"sqlite:///{tmp_path / 'console.db'}")

    waits: list[float] = []

    async def sleep(time_s: float) -> None:
        waits.append(time_s)

    monkeypatch.setattr("services.console.database.open_database", starting)
    opened = await open_database_within("postgresql://strata@database/x", 60.0, lambda: 0.0, sleep)
    opened.close()
    assert len(waits) == 2


@pytest.mark.parametrize("url", ["postgresql://strata@127.0.0.1:1/x", "sqlite:////nowhere/console.db"])
async def test_a_database_that_does_not_start_is_given_up(url: str) -> None:
    now_s = [0.0]

    async def sleep(time_s: float) -> None:
        now_s[0] += time_s

    with pytest.raises(StoreUnavailable):
        await open_database_within(url, 2.0, lambda: now_s[0], sleep)
    assert now_s[0] == (0.0 if url.startswith("sqlite") else 2.0)
