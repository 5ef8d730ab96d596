"""Runs: a model over a picture, done beside the request that asked for it, and kept."""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Protocol

from quant.errors import QuantError
from services.artifacts.store import ObjectStore
from services.console.domain import Run, RunOrder, RunState, UserFile
from services.console.records import RunRecords
from services.console.user_files import UserFiles
from services.edge.errors import (
    ArtifactNotFound,
    FailedPrecondition,
    NotFound,
    RunNotFound,
    StoreUnavailable,
    StrataError,
)

PICTURE_BYTES = 16 << 20
"""The largest picture that can be run."""
_AT_A_TIME = 4
_LOOK_AGAIN_S = 2.0
"""Another process may have changed a run."""

_log = logging.getLogger(__name__)


class Inference(Protocol):
    """The workbench, as runs see it; every call is on behalf of a user. Raises what the workbench raised."""

    async def send_file(self, user: str, pieces: AsyncIterator[bytes]) -> str:
        """Give it a file; its id there."""

    async def open(
        self, user: str, request: RunOrder, model_file: str, integer_file: str, picture: bytes, picture_name: str
    ) -> str:
        """Open a session, with the ids of files there where `request` names files; its id."""

    async def run(self, user: str, session: str, request: RunOrder) -> str:
        """Run to the end; what was found, as JSON."""

    async def close(self, user: str, session: str) -> None:
        """Forget a session."""


class Runs:
    """The runs of all users.

    Args:
        clock: seconds since 1970.
    """

    def __init__(
        self,
        records: RunRecords,
        files: UserFiles,
        store: ObjectStore,
        inference: Inference,
        clock: Callable[[], float],
    ):
        self._records, self._files, self._store, self._inference = records, files, store, inference
        self._clock = clock
        self._places = asyncio.Semaphore(_AT_A_TIME)
        self._changed, self._changes = asyncio.Condition(), 0
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._closing: set[asyncio.Task[None]] = set()

    async def start(self, user: str, request: RunOrder) -> Run:
        """Keep what is asked, and begin with it.

        Raises:
            ArtifactNotFound: a file is not there.  TooLarge: the picture.  QuotaExceeded: no room for its copy.
        """
        model_name = (await self._files.get(user, request.model)).path if request.is_file else request.model
        if request.integer_file:
            await self._files.get(user, request.integer_file)
        picture, content = await self._files.read(user, request.picture, PICTURE_BYTES)
        run = Run(secrets.token_hex(16), user, request, model_name, picture.path, len(content), self._clock())
        await self._store.write(_key(run), content)
        try:
            await self._records.add_run(run, self._files.limits.quota_bytes)
        except BaseException:
            await self._store.remove([_key(run)])
            raise
        self._begin(run)
        return run

    async def resume(self) -> None:
        """Begin anew with what a process that ended has left."""
        for run in await self._records.unfinished_runs():
            self._begin(run)

    async def stop(self, grace_s: float) -> None:
        """Leave what is under way for the next process; a session that is still being opened is closed by then."""
        tasks = list(self._under_way.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._closing:
            await asyncio.wait(self._closing, timeout=grace_s)

    async def list(self, user: str) -> Sequence[Run]:
        """All of a user's, the newest first."""
        return await self._records.runs(user)

    async def get(self, user: str, run: str) -> Run:
        """One of a user's. Raises RunNotFound."""
        found = await self._records.run(user, run)
        if found is None:
            raise RunNotFound(f"no run '{run[:40]}' of yours")
        return found

    async def session(self, user: str, run: str) -> str:
        """The session of a run. Raises RunNotFound; FailedPrecondition where it is not open."""
        found = await self.get(user, run)
        if not found.session:
            raise FailedPrecondition(found.fault or "the model is not open yet: wait until the run is done")
        return found.session

    async def picture(self, user: str, run: str) -> bytes:
        """The picture that a run looked at. Raises RunNotFound; ArtifactNotFound where it is lost."""
        return await self._picture(await self.get(user, run))

    async def follow(self, user: str, run: str) -> AsyncIterator[Run]:
        """A run as it is now, and at each change until it is over. Raises RunNotFound."""
        seen: Run | None = None
        while True:
            changes = self._changes
            now = await self.get(user, run)
            if now != seen:
                yield now
            if now.is_over:
                return
            seen = now
            await self._wait_for_a_change(since=changes)

    async def follow_all(self, user: str) -> AsyncIterator[Sequence[Run]]:
        """All of a user's as they are now, and then at each change those that have changed, until all are over."""
        seen = dict[str, Run]()
        while True:
            changes = self._changes
            now = {run.id: run for run in await self.list(user)}
            if changed := [run for run in now.values() if run != seen.get(run.id)]:
                yield changed
            if all(run.is_over for run in now.values()):
                return
            seen = now
            await self._wait_for_a_change(since=changes)

    async def remove(self, user: str, run: str) -> None:
        """Remove a run and its session. Raises RunNotFound; Unavailable where the workbench does not answer."""
        found = await self.get(user, run)
        if task := self._under_way.get(run):
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            found = await self.get(user, run)
        if found.session:
            with suppress(NotFound):  # closed by a removal that did not come to its end
                await self._inference.close(user, found.session)
        # The record goes last: what fails before it can be done again.
        await self._store.remove([_key(found)])
        await self._records.remove_run(user, run)

    async def _wait_for_a_change(self, since: int) -> None:
        """Return where any run has changed since then, or may have in another process."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_LOOK_AGAIN_S), self._changed:
                await self._changed.wait_for(lambda: self._changes != since)

    def _begin(self, run: Run) -> None:
        task = self._under_way[run.id] = asyncio.create_task(self._work(run))
        task.add_done_callback(lambda _: self._under_way.pop(run.id, None))

    async def _work(self, run: Run) -> None:
        async with self._places:
            try:
                if not run.session:
                    run = await self._write(replace(run, state=RunState.OPENING))
                    run = await self._write(replace(run, session=await self._open(run)))
                run = await self._write(replace(run, state=RunState.RUNNING))
                result = await self._inference.run(run.user, run.session, run.request)
                await self._write(replace(run, state=RunState.DONE, result=result))
            except (StrataError, QuantError) as error:
                await self._write(replace(run, state=RunState.FAILED, fault=str(error)))
            except Exception:
                incident = secrets.token_hex(6)
                _log.exception("incident %s: run %s", incident, run.id)
                fault = f"a fault on our side; look for incident {incident} in the log"
                await self._write(replace(run, state=RunState.FAILED, fault=fault))

    async def _open(self, run: Run) -> str:
        asked, picture = run.request, await self._picture(run)
        model = await self._files.get(run.user, asked.model) if asked.is_file else None
        integers = await self._files.get(run.user, asked.integer_file) if asked.integer_file else None
        try:
            return await self._open_with(run, picture, await self._sent(model), await self._sent(integers))
        except ArtifactNotFound:
            # The workbench has lost a copy that it had.
            return await self._open_with(run, picture, await self._send(model), await self._send(integers))

    async def _picture(self, run: Run) -> bytes:
        try:
            return await self._store.read(_key(run))
        except ArtifactNotFound:
            raise ArtifactNotFound(
                f"the picture {run.picture_name} of this run is lost: upload and run it again"
            ) from None

    async def _open_with(self, run: Run, picture: bytes, model_file: str, integer_file: str) -> str:
        asked = self._inference.open(run.user, run.request, model_file, integer_file, picture, run.picture_name)
        opening = asyncio.ensure_future(asked)
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            # The workbench opens it all the same: nobody else would ever close it.
            closing = asyncio.create_task(self._close_once_open(run.user, opening))
            self._closing.add(closing)
            closing.add_done_callback(self._closing.discard)
            raise

    async def _close_once_open(self, user: str, opening: "asyncio.Future[str]") -> None:
        with suppress(StrataError, QuantError):
            await self._inference.close(user, await opening)

    async def _sent(self, file: UserFile | None) -> str:
        """The workbench's copy of a file, sent once; empty where no file is meant."""
        return file.workbench_file if file and file.workbench_file else await self._send(file)

    async def _send(self, file: UserFile | None) -> str:
        if file is None:
            return ""
        _, pieces = await self._files.content(file.user, file.id)
        sent = await self._inference.send_file(file.user, pieces)
        await self._files.note_workbench_file(file, sent)
        return sent

    async def _write(self, run: Run) -> Run:
        """Keep a run as it is now, also where the database is away meanwhile: nothing that was found is lost."""
        while True:
            try:
                await self._records.write_run(run)
                break
            except StoreUnavailable as error:
                _log.warning("run %s waits to be kept: %s", run.id, error)
            await asyncio.sleep(_LOOK_AGAIN_S)
        async with self._changed:
            self._changes += 1
            self._changed.notify_all()
        return run


def _key(run: Run) -> str:
    return f"users/{run.user}/runs/{run.id}/picture"
