"""The workbench: the verbs of `strata quant` on the sessions of many owners, each as its owner left it.

What was acknowledged is in the store: a session outlives the process.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from concurrent.futures import Executor
from contextlib import aclosing, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from quant.calibration import BEST, Granularity
from quant.crossing import Crossing
from quant.errors import QuantError
from quant.precision import Mode
from services.artifacts.store import ObjectStore
from services.edge.deadline import Clock
from services.edge.errors import FailedPrecondition, StrataError
from services.workbench.augmented_pictures import AugmentedPicture, draw_augmented
from services.workbench.calibrating import CalibratedModel, calibrate_model
from services.workbench.comparing import ComparedVariant, VariantComparison, compare_variants
from services.workbench.compute_pool import compute
from services.workbench.engine_model import EngineModel
from services.workbench.events import Event
from services.workbench.exporting import Exported, encode_pair
from services.workbench.kept_sessions import KeptSessions
from services.workbench.long_work import Listener, Step, listen
from services.workbench.open_sessions import Held, Opened, OpenSessions, SessionKey
from services.workbench.owner_store import OwnerStore
from services.workbench.pictures import EncodedPicture, EncodedPictures
from services.workbench.report import Report, make_report
from services.workbench.session import Session
from services.workbench.session_log import NamedModel, Opening

Result = TypeVar("Result")


@dataclass(frozen=True)
class WorkbenchLimits:
    """How much is taken and kept; sizes in bytes.

    Attributes:
        open_sessions: in memory at a time; the others are opened again when they are asked for.
        session_bytes: of values that one session keeps.
        model_bytes: of weights kept for the next session.
        upload_bytes: of one file.
    """

    open_sessions: int = 32
    session_bytes: int = 128 << 20
    model_bytes: int = 1 << 30
    upload_bytes: int = 1 << 30


@dataclass(frozen=True)
class CalibrationRequest:
    """How to calibrate; see `calibrate_model`. `auto` measures the plan of AUTO too."""

    algorithm: str = BEST
    granularity: Granularity = Granularity.CHANNEL
    augment: bool = False
    auto: bool = False
    discard_edits: bool = False


@dataclass(frozen=True, eq=False)
class CalibratedSession:
    """What calibrating found, and the id of the file with the integers."""

    found: CalibratedModel
    integer_file: str


@dataclass(frozen=True)
class SavedVariant:
    """Ids of the files of a kept variant."""

    model_file: str
    integer_file: str | None


class Workbench:
    """Opens, asks and changes sessions.

    Args:
        open_named: opens a model of the catalog; it may take long.
        pool: threads to compute in.
        clock: times runs.
    """

    def __init__(
        self,
        store: ObjectStore,
        open_named: Callable[[NamedModel], EngineModel],
        pool: Executor,
        clock: Clock,
        limits: WorkbenchLimits,
    ) -> None:
        self._store, self._pool, self.clock, self.limits = store, pool, clock, limits
        self._kept = KeptSessions(store, open_named, pool, limits.session_bytes, limits.model_bytes)
        self._sessions = OpenSessions(self._kept.open_again, limits.open_sessions)
        self._finishing: set[asyncio.Task[Any]] = set()

    async def upload(self, owner: str, pieces: AsyncIterator[bytes]) -> tuple[str, int]:
        """Keep a file; its id and its size in bytes. Raises TooLarge and InvalidInput: see `receive_file`."""
        return await OwnerStore(self._store, owner).receive_file(pieces, self.limits.upload_bytes)

    async def remove_file(self, owner: str, file: str) -> None:
        """Forget a file. Sessions that have read it go on; once one is out of memory, it waits for the same file again.

        Raises:
            ArtifactNotFound: it is not there, or no longer: as who closes a session twice, the caller is told.
        """
        await self._finish(self._kept.remove_file(owner, file))

    async def augment(self, picture: EncodedPicture, most_side: int) -> list[AugmentedPicture]:
        """Five pictures out of one, as calibrating takes them; raises as `draw_augmented`."""
        return await self._run(partial(draw_augmented, picture, most_side))

    async def open(
        self, owner: str, model: NamedModel | str, integer_file: str | None, picture: EncodedPicture, mode: Mode
    ) -> SessionKey:
        """Open a session, and keep it. Where its caller leaves meanwhile it is closed again: nobody else knows of it.

        Args:
            model: by name, or the id of a file.
            integer_file: None calibrates on the picture itself, augmented to five, where the mode needs integers.
        Raises:
            ModelNotFound, ArtifactNotFound: what was named is not there.
            NotAPicture, PictureTooLarge, InvalidWeights, OtherModel: what was sent cannot be used.
            NoAutoPlan: AUTO without a measured plan.
        """
        opening = self._begin(self._open(owner, model, integer_file, picture, mode))
        try:
            return await asyncio.shield(opening)
        except asyncio.CancelledError:
            self._begin(self._close_once_open(opening))
            raise

    async def close(self, key: SessionKey) -> None:
        """Forget a session, once who has it now is done or told. Raises SessionNotFound."""
        await self._finish(self._close(key))

    async def ask(self, key: SessionKey, work: Callable[[Session], Result]) -> Result:
        """Let `work` look at a session, in a thread, one caller at a time.

        Raises:
            SessionNotFound.
            OtherModel: the model of that name is not the one the session was opened with.
            SessionFileGone: a file that it was opened with was removed, and the session is not in memory any more.
            what `work` raises.
        """
        return await self._finish(self._ask(key, work))

    async def change(self, key: SessionKey, work: Callable[[Session], tuple[Result, Event]]) -> Result:
        """Let `work` change a session, and write down what happened before it is acknowledged; raises as `ask`."""
        return await self._finish(self._change(key, work))

    async def opening(self, key: SessionKey) -> Opening:
        """How a session was opened. Raises as `ask`."""
        async with self._sessions.hold(key) as held:
            return held.log.opening

    def cross(self, key: SessionKey, mode: Mode | None, layer: str | None) -> AsyncIterator[Step | Crossing]:
        """Cross the model as edited: each layer's row as soon as it is known, or one layer's alone."""

        def work(session: Session, listener: Listener[Crossing]) -> None:
            for row in [session.cross_one(layer, mode)] if layer else session.cross(mode):
                listener.give(row)

        return self._listen(key, work)

    def report(self, key: SessionKey, pictures: Sequence[EncodedPicture]) -> AsyncIterator[Step | Report]:
        """Measure the model as edited; the report comes last. Raises EmptyBatch, NotAPicture, PictureTooLarge."""

        def work(session: Session, listener: Listener[Report]) -> None:
            model, integers = session.current()
            stored = integers if integers.calibration.values else None
            truth = None if model.detects else model.classes_named([each.label for each in pictures])
            measured = make_report(model, stored, EncodedPictures(pictures), self.clock, listener, truth)
            listener.give(measured.report)

        return self._listen(key, work)

    async def compare(
        self, key: SessionKey, other: SessionKey, pictures: Sequence[EncodedPicture]
    ) -> AsyncIterator[Step | VariantComparison]:
        """Compare two sessions' models as edited; what was found comes last. Raises as `compare_variants`."""
        second = await self.ask(other, _variant)

        def work(session: Session, listener: Listener[VariantComparison]) -> None:
            listener.give(compare_variants(_variant(session), second, EncodedPictures(pictures), listener))

        async for each in self._listen(key, work):
            yield each

    async def calibrate(
        self, key: SessionKey, request: CalibrationRequest, pictures: Sequence[EncodedPicture]
    ) -> AsyncIterator[Step | CalibratedSession]:
        """Calibrate the model as it was opened, and begin the session anew with its integers, which come last.

        Raises:
            FailedPrecondition: there are edits, and they may not be discarded.
            EmptyCalibration, AlgorithmNotFound, NotAPicture, PictureTooLarge.
        """

        def work(session: Session, listener: Listener[CalibratedModel]) -> None:
            found = calibrate_model(
                session.model,
                EncodedPictures(pictures),
                request.algorithm,
                request.granularity,
                augment=request.augment,
                clock=self.clock if request.auto else None,
                progress=listener,
            )
            listener.give(found)

        async with self._sessions.hold(key) as held:
            if held.session.edited and not request.discard_edits:
                raise FailedPrecondition(
                    "the session has edits, and calibrating begins it anew: undo or save them, or say that they may go"
                )
            async with aclosing(listen(partial(work, held.session), self._pool)) as heard:
                async for each in heard:
                    held.check()
                    yield each if isinstance(each, Step) else await _to_its_end(self._begin_anew(key, held, each))

    async def save(self, key: SessionKey, name: str) -> SavedVariant:
        """Keep the model as edited, under a name, as files of its owner."""
        exported, owned = await self.export(key, name), OwnerStore(self._store, key.owner)
        integer_file = await owned.write_file(exported.integers) if exported.integers is not None else None
        try:
            return SavedVariant(await owned.write_file(exported.model), integer_file)
        except BaseException:
            if integer_file is not None:
                await owned.remove_file(integer_file)
            raise

    async def export(self, key: SessionKey, name: str | None) -> Exported:
        """The model as edited, under a name or its own, as the bytes of files."""
        return await self.ask(key, lambda session: encode_pair(*session.keep(name or session.model.name)))

    async def _open(
        self, owner: str, model: NamedModel | str, integer_file: str | None, picture: EncodedPicture, mode: Mode
    ) -> SessionKey:
        key, opened = await self._kept.open(owner, model, integer_file, picture, mode)
        self._sessions.put(key, opened)
        return key

    async def _close_once_open(self, opening: asyncio.Task[SessionKey]) -> None:
        with suppress(StrataError, QuantError):
            await self._close(await opening)

    async def _begin_anew(self, key: SessionKey, held: Held, found: CalibratedModel) -> CalibratedSession:
        held.check()
        assert held.opened is not None
        before, held.opened = held.opened, None  # where this is not kept, the next caller opens it as it was
        held.opened, file = await self._kept.begin_anew(key, before, found)
        return CalibratedSession(found, file)

    async def _close(self, key: SessionKey) -> None:
        async with self._sessions.closing(key):
            await self._kept.close(key)

    async def _listen(
        self, key: SessionKey, work: Callable[[Session, Listener[Result]], None]
    ) -> AsyncIterator[Step | Result]:
        """Long work that leaves its session as it is, and stops where that is closed meanwhile."""
        async with self._sessions.hold(key) as held, aclosing(listen(partial(work, held.session), self._pool)) as heard:
            async for each in heard:
                held.check()
                yield each

    async def _ask(self, key: SessionKey, work: Callable[[Session], Result]) -> Result:
        async with self._sessions.hold(key) as held:
            return await self._run(partial(work, held.session))

    async def _change(self, key: SessionKey, work: Callable[[Session], tuple[Result, Event]]) -> Result:
        async with self._sessions.hold(key) as held:
            result, event = await self._run(partial(work, held.session))
            log = held.log.then(event)  # or it was closed meanwhile, and nothing is written any more
            try:
                await OwnerStore(self._store, key.owner).write_session(key.session, log)
            except BaseException:
                held.opened = None  # it is ahead of its log: the next caller opens it as it was
                raise
            held.opened = Opened(held.session, log)
            return result

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await compute(self._pool, work)

    async def _finish(self, work: Coroutine[Any, Any, Result]) -> Result:
        """What was begun on a session is finished and written down, though its caller may leave meanwhile."""
        return await asyncio.shield(self._begin(work))

    def _begin(self, work: Coroutine[Any, Any, Result]) -> asyncio.Task[Result]:
        task = asyncio.create_task(work)
        self._finishing.add(task)
        task.add_done_callback(self._finishing.discard)
        return task


async def _to_its_end(work: Coroutine[Any, Any, Result]) -> Result:
    """As `_finish`, where the caller has what the work is about alone: he leaves when it is done."""
    task = asyncio.ensure_future(work)
    try:
        return await asyncio.shield(task)
    except asyncio.CancelledError:
        await asyncio.wait([task])
        raise


def _variant(session: Session) -> ComparedVariant:
    return ComparedVariant(*session.current(), session.mode)
