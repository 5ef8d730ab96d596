"""Users, files and runs in a database."""

import json
from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import delete, func, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from services.console.database import Database
from services.console.domain import (
    Link,
    LogIn,
    Run,
    RunMode,
    RunOrder,
    RunState,
    User,
    UserFile,
    WorkbenchCopy,
    check_path,
)
from services.console.tables import CopyRow, FailureRow, FileRow, LinkRow, LogInRow, RunRow, UserRow
from services.edge.errors import ArtifactExists, ArtifactNotFound, NameTaken, QuotaExceeded, RunNotFound


class SqlRecords:
    """`AccountRecords`, `FileRecords`, `CopyRecords`, `RunRecords` and `LinkRecords`."""

    def __init__(self, database: Database):
        self._database = database

    async def add_user(self, user: User) -> None:
        try:
            await self._database.do(lambda session: session.add(UserRow(**asdict(user))))
        except IntegrityError as error:
            raise NameTaken(f"'{user.name}' is another user's name: choose another") from error

    async def user_of_name(self, name: str) -> User | None:
        row = await self._database.do(lambda session: session.scalar(select(UserRow).where(UserRow.name == name)))
        return _user(row) if row else None

    async def user_of_log_in(self, digest: str, now_s: float) -> tuple[User, LogIn] | None:
        query = (
            select(UserRow, LogInRow)
            .join(LogInRow, LogInRow.user == UserRow.id)
            .where(LogInRow.digest == digest, LogInRow.until_s > now_s)
        )
        found = await self._database.do(lambda session: session.execute(query).first())
        if found is None:
            return None
        row = found[1]
        return _user(found[0]), LogIn(row.digest, row.user, row.csrf_token, row.until_s)

    async def add_log_in(self, log_in: LogIn) -> None:
        await self._database.do(lambda session: session.add(LogInRow(**asdict(log_in))))

    async def remove_log_in(self, digest: str) -> None:
        await self._database.do(lambda session: session.execute(delete(LogInRow).where(LogInRow.digest == digest)))

    async def remove_log_ins_until(self, now_s: float) -> None:
        await self._database.do(lambda session: session.execute(delete(LogInRow).where(LogInRow.until_s <= now_s)))

    async def add_failure(self, name: str, at_s: float) -> None:
        await self._database.do(lambda session: session.add(FailureRow(name=name, at_s=at_s)))

    async def failures_since(self, name: str, since_s: float) -> Sequence[float]:
        def find(session: Session) -> Sequence[float]:
            session.execute(delete(FailureRow).where(FailureRow.at_s < since_s))
            return session.scalars(
                select(FailureRow.at_s).where(FailureRow.name == name).order_by(FailureRow.at_s)
            ).all()

        return await self._database.do(find)

    async def files(self, user: str) -> Sequence[UserFile]:
        rows = await self._database.do(
            lambda session: session.scalars(select(FileRow).where(FileRow.user == user)).all()
        )
        return sorted(map(_file, rows), key=lambda file: file.path)  # here: databases differ in what comes first

    async def file(self, user: str, file: str) -> UserFile | None:
        row = await self._database.do(lambda session: _own_file(session, user, file))
        return _file(row) if row else None

    async def add_file(self, file: UserFile, folders: Sequence[UserFile], quota_bytes: int) -> None:
        def add(session: Session) -> None:
            _lock_user(session, file.user)
            if _used_bytes(session, file.user) + file.size_bytes > quota_bytes:
                raise QuotaExceeded(f"{file.path} does not fit into your quota any more: remove files or runs first")
            _make_folders(session, folders)
            session.add(FileRow(**asdict(file)))

        try:
            await self._database.do(add)
        except IntegrityError as error:
            raise _exists(file.path) from error

    async def move_file(self, user: str, file: str, path: str, folders: Sequence[UserFile]) -> UserFile:
        def move(session: Session) -> UserFile:
            _lock_user(session, user)
            row = _own_file(session, user, file)
            if row is None:
                raise ArtifactNotFound(f"no file '{file[:40]}' of yours")
            _make_folders(session, folders)
            for each in _with_all_in_it(session, row):
                if each is not row:
                    each.path = check_path(path + each.path[len(row.path) :])
            row.path = path
            session.flush()
            return _file(row)

        try:
            return await self._database.do(move)
        except IntegrityError as error:
            raise _exists(path) from error

    async def remove_file(self, user: str, file: str) -> Sequence[UserFile]:
        def remove(session: Session) -> Sequence[UserFile]:
            row = _own_file(session, user, file)
            if row is None:
                raise ArtifactNotFound(f"no file '{file[:40]}' of yours")
            rows = _with_all_in_it(session, row)
            for each in rows:
                session.delete(each)
            return [_file(each) for each in rows]

        return await self._database.do(remove)

    async def note_copy(self, copy: WorkbenchCopy) -> None:
        def note(session: Session) -> None:
            session.add(CopyRow(**asdict(copy)))
            session.execute(update(FileRow).where(FileRow.id == copy.file).values(workbench_file=copy.id))

        await self._database.do(note)

    async def due_copies(self) -> Sequence[WorkbenchCopy]:
        query = select(CopyRow).where(~select(FileRow.id).where(FileRow.id == CopyRow.file).exists())
        rows = await self._database.do(lambda session: session.scalars(query).all())
        return [WorkbenchCopy(row.id, row.user, row.file) for row in rows]

    async def forget_copy(self, copy: str) -> None:
        await self._database.do(lambda session: session.execute(delete(CopyRow).where(CopyRow.id == copy)))

    async def used_bytes(self, user: str) -> int:
        return await self._database.do(lambda session: _used_bytes(session, user))

    async def runs(self, user: str) -> Sequence[Run]:
        query = select(RunRow).where(RunRow.user == user).order_by(RunRow.created_s.desc(), RunRow.id)
        return [_run(row) for row in await self._database.do(lambda session: session.scalars(query).all())]

    async def run(self, user: str, run: str) -> Run | None:
        query = select(RunRow).where(RunRow.user == user, RunRow.id == run)
        row = await self._database.do(lambda session: session.scalar(query))
        return _run(row) if row else None

    async def unfinished_runs(self) -> Sequence[Run]:
        query = select(RunRow).where(RunRow.state.not_in([RunState.DONE, RunState.FAILED]))
        return [_run(row) for row in await self._database.do(lambda session: session.scalars(query).all())]

    async def add_run(self, run: Run, quota_bytes: int) -> None:
        def add(session: Session) -> None:
            _lock_user(session, run.user)
            if _used_bytes(session, run.user) + run.picture_bytes > quota_bytes:
                raise QuotaExceeded("the run's picture does not fit into your quota: remove files or runs first")
            session.add(RunRow(**_run_columns(run)))

        await self._database.do(add)

    async def write_run(self, run: Run) -> None:
        def write(session: Session) -> None:
            if row := session.get(RunRow, run.id):
                for name, value in _run_columns(run).items():
                    setattr(row, name, value)

        await self._database.do(write)

    async def remove_run(self, user: str, run: str) -> None:
        gone = delete(RunRow).where(RunRow.user == user, RunRow.id == run)
        await self._database.do(lambda session: session.execute(gone))

    async def links(self, user: str, run: str) -> Sequence[Link]:
        query = select(LinkRow).where(LinkRow.user == user, LinkRow.run == run)
        query = query.order_by(LinkRow.created_s.desc(), LinkRow.id)
        return [_link(row) for row in await self._database.do(lambda session: session.scalars(query).all())]

    async def link_of(self, digest: str) -> Link | None:
        query = select(LinkRow).where(LinkRow.digest == digest)
        row = await self._database.do(lambda session: session.scalar(query))
        return _link(row) if row else None

    async def add_link(self, link: Link, quota_bytes: int) -> None:
        def add(session: Session) -> None:
            _lock_user(session, link.user)
            if _used_bytes(session, link.user) + link.page_bytes > quota_bytes:
                raise QuotaExceeded("the page to share does not fit into your quota: remove files or runs first")
            session.add(LinkRow(**asdict(link)))

        try:
            await self._database.do(add)
        except IntegrityError as error:
            raise RunNotFound(f"no run '{link.run}' of yours any more: nothing is shared of it") from error

    async def remove_link(self, user: str, link: str) -> Link | None:
        def remove(session: Session) -> Link | None:
            row = session.scalar(select(LinkRow).where(LinkRow.user == user, LinkRow.id == link))
            if row is None:
                return None
            session.delete(row)
            return _link(row)

        return await self._database.do(remove)


def _lock_user(session: Session, user: str) -> None:
    """Let one transaction at a time count what a user keeps and add to it; SQLite has one writer anyhow."""
    session.execute(select(UserRow.id).where(UserRow.id == user).with_for_update())


def _used_bytes(session: Session, user: str) -> int:
    files = select(func.coalesce(func.sum(FileRow.size_bytes), 0)).where(FileRow.user == user)
    pictures = select(func.coalesce(func.sum(RunRow.picture_bytes), 0)).where(RunRow.user == user)
    pages = select(func.coalesce(func.sum(LinkRow.page_bytes), 0)).where(LinkRow.user == user)
    return sum(int(session.scalar(each) or 0) for each in (files, pictures, pages))


def _own_file(session: Session, user: str, file: str) -> FileRow | None:
    return session.scalar(select(FileRow).where(FileRow.user == user, FileRow.id == file))


def _with_all_in_it(session: Session, row: FileRow) -> Sequence[FileRow]:
    if not row.is_folder:
        return [row]
    begin = f"{row.path}/"
    begins = func.substr(FileRow.path, 1, len(begin)) == begin  # SQLite's LIKE takes a and A for one letter
    return [row, *session.scalars(select(FileRow).where(FileRow.user == row.user, begins))]


def _make_folders(session: Session, folders: Sequence[UserFile]) -> None:
    for folder in folders:
        found = session.scalar(select(FileRow).where(FileRow.user == folder.user, FileRow.path == folder.path))
        if found is None:
            session.add(FileRow(**asdict(folder)))
        elif not found.is_folder:
            raise ArtifactExists(f"{folder.path} is a file: nothing can be in it")


def _exists(path: str) -> ArtifactExists:
    return ArtifactExists(f"{path}: is there already; remove it first, or choose another name")


def _user(row: UserRow) -> User:
    return User(row.id, row.name, row.password_hash)


def _file(row: FileRow) -> UserFile:
    return UserFile(row.id, row.user, row.path, row.is_folder, row.size_bytes, row.created_s, row.workbench_file)


def _link(row: LinkRow) -> Link:
    return Link(row.id, row.user, row.run, row.layer, row.digest, row.page_bytes, row.created_s)


def _run(row: RunRow) -> Run:
    asked = json.loads(row.request)
    return Run(
        row.id,
        row.user,
        RunOrder(**{**asked, "mode": RunMode(asked["mode"])}),
        row.model_name,
        row.picture_name,
        row.picture_bytes,
        row.created_s,
        RunState(row.state),
        row.session,
        row.result,
        row.fault,
    )


def _run_columns(run: Run) -> dict[str, object]:
    return {**asdict(run), "request": json.dumps(asdict(run.request)), "state": run.state.value}
