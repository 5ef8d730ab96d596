"""What one owner keeps in the object store: files and sessions. Another owner's are not below this one's keys."""

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace

from services.artifacts.store import ObjectStore
from services.edge.errors import (
    ArtifactNotFound,
    DamagedFile,
    InvalidInput,
    OtherVersion,
    SessionFileGone,
    SessionNotFound,
    TooLarge,
)
from services.workbench.session_log import NamedModel, Opening, SessionLog, decode_log, encode_log

_OWNER = re.compile(r"[!-~]{16,400}")
_ID = re.compile(r"[A-Za-z0-9_-]{20,40}")
_LOG, _PICTURE = "log.json", "picture"


def new_id() -> str:
    """Unguessable: 144 random bits."""
    return secrets.token_urlsafe(18)


def check_owner(owner: str) -> str:
    """The token itself. Raises InvalidInput where it is not one."""
    if not _OWNER.fullmatch(owner):
        raise InvalidInput("an owner token has 16 to 400 letters, digits or signs of ASCII, without spaces")
    return owner


@dataclass(frozen=True)
class OwnerStore:
    """Files and sessions of one owner; the store sees the owner's digest, not the token.

    Raises, whatever is called:
        StoreUnavailable, StoreRefused, StoreFull: the object store does not answer, allow or hold it.
    """

    store: ObjectStore
    owner: str

    async def write_file(self, content: bytes) -> str:
        """Keep a file; its id."""
        file = new_id()
        await self.store.write(self._file_key(file), content)
        return file

    async def receive_file(self, pieces: AsyncIterator[bytes], limit_bytes: int) -> tuple[str, int]:
        """Keep a file that comes in pieces; its id and its size in bytes.

        Raises:
            TooLarge: over the limit; nothing is kept.
            InvalidInput: it is empty.
        """
        file, size_bytes = new_id(), 0

        async def counted() -> AsyncIterator[bytes]:
            nonlocal size_bytes
            async for piece in pieces:
                size_bytes += len(piece)
                if size_bytes > limit_bytes:
                    raise TooLarge(f"the file is over {limit_bytes} bytes, the most that is taken")
                yield piece
            if not size_bytes:
                raise InvalidInput("the file is empty: send it in pieces")

        await self.store.write_stream(self._file_key(file), counted())
        return file, size_bytes

    async def read_file(self, file: str) -> bytes:
        """Read a file. Raises ArtifactNotFound."""
        key = self._file_key(_checked(file, ArtifactNotFound))
        try:
            return await self.store.read(key)
        except ArtifactNotFound:
            raise _no_file(file) from None

    async def check_file(self, file: str) -> None:
        """Raises ArtifactNotFound where there is no such file."""
        if not await self._has(_checked(file, ArtifactNotFound)):
            raise _no_file(file)

    async def remove_file(self, file: str) -> None:
        """Forget a file; one that is not there is left alone."""
        await self.store.remove([self._file_key(file)])

    async def write_session(self, session: str, log: SessionLog) -> None:
        """Keep a session as it is now."""
        await self.store.write(self._session_key(session, _LOG), encode_log(log))

    async def write_picture(self, session: str, picture: bytes) -> None:
        """Keep the picture that a session steps."""
        await self.store.write(self._session_key(session, _PICTURE), picture)

    async def read_log(self, session: str) -> SessionLog:
        """A session's log. Raises SessionNotFound, DamagedFile, OtherVersion."""
        return decode_log(await self._read_of(session, _LOG))

    async def read_session(self, session: str) -> tuple[SessionLog, bytes]:
        """A session's log and its picture. Raises as `read_log`."""
        return await self.read_log(session), await self._read_of(session, _PICTURE)

    async def openings(self) -> list[Opening]:
        """How each of the owner's sessions was opened; those whose logs cannot be read are left out."""
        found = list[Opening]()
        for key in await self.store.keys(f"{self._prefix}/sessions/"):
            session, _, name = key.removeprefix(f"{self._prefix}/sessions/").partition("/")
            if name == _LOG:
                with suppress(SessionNotFound, DamagedFile, OtherVersion):  # closed meanwhile, among others
                    found.append((await self.read_log(session)).opening)
        return found

    async def with_files(self, opening: Opening) -> Opening:
        """An opening whose files are there; for one that was removed another stands, with which the owner has opened
        a session since, and whose content is the same.

        Raises:
            SessionFileGone: there is none.
        """
        lost_model = isinstance(opening.model, str) and not await self._has(opening.model)
        lost_integers = opening.integer_file is not None and not await self._has(opening.integer_file)
        others = await self.openings() if lost_model or lost_integers else []
        if lost_model:
            same = [each.model for each in others if each.model_digest == opening.model_digest]
            opening = replace(opening, model=await self._first_there("model", same))
        if lost_integers:
            lent = [each for each in others if not each.own_integers]
            files = [each.integer_file for each in lent if each.integer_digest == opening.integer_digest != ""]
            file = await self._first_there("integers", files)
            opening = replace(opening, integer_file=file, calibrated_on_picture=False, calibrated_here=False)
        return opening

    async def remove_session(self, session: str) -> None:
        """Forget a session; its files stay."""
        await self.store.remove([self._session_key(session, name) for name in (_LOG, _PICTURE)])

    async def _has(self, file: str) -> bool:
        return await self.store.exists(self._file_key(file))

    async def _first_there(self, what: str, files: Iterable[NamedModel | str | None]) -> str:
        for file in files:
            if isinstance(file, str) and await self._has(file):
                return file
        raise SessionFileGone(
            f"the file of the {what} that this session was opened with was removed: upload it again and run it in a "
            "new session, and this one opens too, as it was left; or close this one"
        )

    async def _read_of(self, session: str, name: str) -> bytes:
        key = self._session_key(_checked(session, SessionNotFound), name)
        try:
            return await self.store.read(key)
        except ArtifactNotFound:
            raise SessionNotFound(f"no session {session!r} of yours: open one") from None

    @property
    def _prefix(self) -> str:
        return f"owners/{hashlib.sha256(self.owner.encode()).hexdigest()}"

    def _file_key(self, file: str) -> str:
        return f"{self._prefix}/files/{file}"

    def _session_key(self, session: str, name: str) -> str:
        return f"{self._prefix}/sessions/{session}/{name}"


def _no_file(file: str) -> ArtifactNotFound:
    return ArtifactNotFound(f"no file {file!r} of yours")


def _checked(word: str, missing: type[ArtifactNotFound] | type[SessionNotFound]) -> str:
    """An id as we give them: others name nothing, and no path."""
    if not _ID.fullmatch(word):
        raise missing(f"{word[:40]!r} is not an id that was given out here")
    return word
