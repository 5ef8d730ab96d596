"""Sessions as the store keeps them: opened, opened again as they were left, begun anew, gone with what is their own."""

import hashlib
from collections.abc import Callable
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import TypeVar

from quant.precision import Mode
from services.artifacts.store import ObjectStore
from services.edge.errors import DamagedFile, OtherModel, OtherVersion, StrataError
from services.workbench.calibrating import CalibratedModel, calibrate_model
from services.workbench.compute_pool import compute
from services.workbench.engine_model import EngineModel
from services.workbench.model_codec import decode_model
from services.workbench.open_sessions import Opened, SessionKey
from services.workbench.owner_store import OwnerStore, new_id
from services.workbench.pictures import DecodedPicture, EncodedPicture, decode_picture
from services.workbench.session import Session
from services.workbench.session_log import NamedModel, Opening, SessionLog
from services.workbench.shared_models import SharedModels
from services.zoo.integer_codec import decode_integers, encode_integers
from services.zoo.integers import Integers

Result = TypeVar("Result")


class KeptSessions:
    """The sessions of all owners, and the files that they are opened with.

    Args:
        open_named: opens a model of the catalog; it may take long.
        pool: threads to compute in.
        session_bytes: of values that one session keeps in memory.
        model_bytes: of weights kept in memory for the next session.
    """

    def __init__(
        self,
        store: ObjectStore,
        open_named: Callable[[NamedModel], EngineModel],
        pool: Executor,
        session_bytes: int,
        model_bytes: int,
    ) -> None:
        self._store, self._open_named, self._pool, self._session_bytes = store, open_named, pool, session_bytes
        self._models = SharedModels(model_bytes)

    async def open(
        self, owner: str, model: NamedModel | str, integer_file: str | None, encoded: EncodedPicture, mode: Mode
    ) -> tuple[SessionKey, Opened]:
        """Open a session, and keep it; see `Workbench.open`."""
        owned, key = OwnerStore(self._store, owner), SessionKey(owner, new_id())
        picture = await self._run(partial(decode_picture, encoded.data, encoded.name))
        opened = await self._model(owned, model)
        digest = await self._run(lambda: opened.digest)
        on_picture = integer_file is None and mode in (Mode.HYBRID, Mode.INT8)
        if on_picture:
            content = await self._run(partial(_integers_of_picture, opened, picture))
        else:
            content = await owned.read_file(integer_file) if integer_file else b""
        session = await self._run(partial(self._session, opened, content, picture, mode))
        # Whatever can be refused was refused by now: what is written from here on belongs to a session.
        if on_picture:
            integer_file = await owned.write_file(content)
        integer_digest = await self._run(partial(_digest, content))
        opening = Opening(model, digest, integer_file, on_picture, encoded.name, mode, integer_digest)
        try:
            await owned.write_picture(key.session, encoded.data)
            await owned.write_session(key.session, SessionLog(opening))
        except BaseException:
            with suppress(StrataError):
                await self._remove(owned, key.session, opening)
            raise
        return key, Opened(session, SessionLog(opening))

    async def open_again(self, key: SessionKey) -> Opened:
        """Open a session as it was left.

        Raises:
            SessionNotFound.
            SessionFileGone: see `OwnerStore.with_files`.
            OtherModel: the model of that name is not the one the session was opened with.
        """
        owned = OwnerStore(self._store, key.owner)
        log, data = await owned.read_session(key.session)
        opening = await owned.with_files(log.opening)
        model = await self._model(owned, opening.model)
        if await self._run(lambda: model.digest) != opening.model_digest:
            raise OtherModel(f"the model {model.name!r} has changed since the session was opened: open a new one")
        content = await owned.read_file(opening.integer_file) if opening.integer_file else b""

        def replay() -> Session:
            session = self._session(model, content, decode_picture(data, opening.picture_name), opening.mode)
            for event in log.events:
                session.apply(event)
            return session

        return Opened(await self._run(replay), replace(log, opening=opening))

    async def begin_anew(self, key: SessionKey, before: Opened, found: CalibratedModel) -> tuple[Opened, str]:
        """Open a session with integers that were made for it, without its edits; and the id of their file."""
        owned, session = OwnerStore(self._store, key.owner), before.session
        content = await self._run(partial(encode_integers, session.model, found.integers))
        anew = await self._run(partial(self._session, session.model, content, session.picture, session.mode))
        file = await owned.write_file(content)
        opening = replace(
            before.log.opening,
            integer_file=file,
            integer_digest=await self._run(partial(_digest, content)),
            calibrated_on_picture=False,
            calibrated_here=True,
        )
        await owned.write_session(key.session, SessionLog(opening))
        await self._remove_own_integers(owned, before.log.opening)
        return Opened(anew, SessionLog(opening)), file

    async def close(self, key: SessionKey) -> None:
        """Forget a session and what is its own. Raises SessionNotFound."""
        owned = OwnerStore(self._store, key.owner)
        try:
            opening = (await owned.read_log(key.session)).opening
        except (DamagedFile, OtherVersion):
            await owned.remove_session(key.session)  # what its own integers are, nobody can say
        else:
            await self._remove(owned, key.session, opening)

    async def remove_file(self, owner: str, file: str) -> None:
        """Forget a file. Raises ArtifactNotFound."""
        owned = OwnerStore(self._store, owner)
        await owned.check_file(file)
        await owned.remove_file(file)
        self._models.forget((owner, file))  # not before: a load in between would keep it

    async def _remove(self, owned: OwnerStore, session: str, opening: Opening) -> None:
        await owned.remove_session(session)
        await self._remove_own_integers(owned, opening)

    async def _remove_own_integers(self, owned: OwnerStore, opening: Opening) -> None:
        """Those that `Calibrate` named stay where another session was opened with them."""
        file = opening.own_integers
        if file is None:
            return
        if opening.calibrated_here and any(other.integer_file == file for other in await owned.openings()):
            return
        await owned.remove_file(file)

    def _session(self, model: EngineModel, content: bytes, picture: DecodedPicture, mode: Mode) -> Session:
        integers = decode_integers(content, model, "the integers' file") if content else Integers()
        session = Session(model, integers, mode, picture, self._session_bytes)
        session.check()
        return session

    async def _model(self, owned: OwnerStore, model: NamedModel | str) -> EngineModel:
        if isinstance(model, NamedModel):
            return await self._models.get(model, lambda: self._run(partial(self._open_named, model)))

        async def load() -> EngineModel:
            data = await owned.read_file(model)
            return await self._run(partial(decode_model, data, "the model's file"))

        return await self._models.get((owned.owner, model), load)

    async def _run(self, work: Callable[[], Result]) -> Result:
        return await compute(self._pool, work)


def _integers_of_picture(model: EngineModel, picture: DecodedPicture) -> bytes:
    return encode_integers(model, calibrate_model(model, [picture], augment=True, refined=False).integers)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest() if content else ""
