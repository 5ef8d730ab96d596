"""Files of users: what is where in the database, what is in them in the object store."""

import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from services.artifacts.store import ObjectStore
from services.console.domain import UserFile, WorkbenchCopy, check_path, folders_of
from services.console.records import FileRecords
from services.edge.errors import ArtifactExists, ArtifactNotFound, InvalidInput, QuotaExceeded, TooLarge
from services.edge.size_words import size_in_words


@dataclass(frozen=True)
class FileLimits:
    """Sizes in bytes: of one file, and of all that one user keeps."""

    file_bytes: int
    quota_bytes: int


class UserFiles:
    """The files.

    A file is in the store before it is in the database, and out of the database before it is out of the store: what is
    listed is there whole.

    Args:
        clock: seconds since 1970.
        when_removed: is told when files have gone from the database.
    """

    def __init__(
        self,
        records: FileRecords,
        store: ObjectStore,
        limits: FileLimits,
        clock: Callable[[], float],
        when_removed: Callable[[], None],
    ):
        self._records, self._store, self.limits, self._clock = records, store, limits, clock
        self._when_removed = when_removed

    async def list(self, user: str) -> Sequence[UserFile]:
        """All of a user's, by path."""
        return await self._records.files(user)

    async def used_bytes(self, user: str) -> int:
        """What a user keeps."""
        return await self._records.used_bytes(user)

    async def get(self, user: str, file: str) -> UserFile:
        """One of a user's. Raises ArtifactNotFound."""
        found = await self._records.file(user, file)
        if found is None:
            raise ArtifactNotFound(f"no file '{file[:40]}' of yours")
        return found

    async def receive(self, user: str, path: str, pieces: AsyncIterator[bytes], declared_bytes: int | None) -> UserFile:
        """Keep a file that comes in pieces.

        Args:
            declared_bytes: what is to come, where that is known: too much is refused before it comes.
        Raises:
            InvalidInput: the path is malformed, or the file is empty.
            ArtifactExists: something has that path.
            TooLarge, QuotaExceeded: nothing is kept.
        """
        checked = check_path(path)
        if checked in {each.path for each in await self._records.files(user)}:
            raise ArtifactExists(f"{checked}: is there already; remove it first, or choose another name")
        free_bytes = self.limits.quota_bytes - await self._records.used_bytes(user)
        counted = _Counted(pieces, self.limits.file_bytes, free_bytes)
        counted.check(declared_bytes or 0)
        file = secrets.token_hex(16)
        await self._store.write_stream(_key(user, file), counted.pieces())
        made = UserFile(file, user, checked, False, counted.size_bytes, self._clock())
        try:
            await self._records.add_file(made, self._folders(user, checked), self.limits.quota_bytes)
        except BaseException:
            await self._store.remove([_key(user, file)])
            raise
        return made

    async def make_folder(self, user: str, path: str) -> UserFile:
        """Make a folder, and those it lies in. Raises InvalidInput, ArtifactExists."""
        checked = check_path(path)
        made = UserFile(secrets.token_hex(16), user, checked, True, 0, self._clock())
        await self._records.add_file(made, self._folders(user, checked), self.limits.quota_bytes)
        return made

    async def move(self, user: str, file: str, path: str) -> UserFile:
        """Give a file, or a folder with all in it, another path.

        Raises:
            InvalidInput, ArtifactNotFound, ArtifactExists.
        """
        checked, found = check_path(path), await self.get(user, file)
        if found.is_folder and f"{checked}/".startswith(f"{found.path}/") and checked != found.path:
            raise InvalidInput(f"{found.path} cannot be moved into itself")
        return await self._records.move_file(user, file, checked, self._folders(user, checked))

    async def remove(self, user: str, file: str) -> None:
        """Remove a file, or a folder with all in it. Raises ArtifactNotFound."""
        removed = await self._records.remove_file(user, file)
        self._when_removed()
        await self._store.remove([_key(user, each.id) for each in removed if not each.is_folder])

    async def content(self, user: str, file: str) -> tuple[UserFile, AsyncIterator[bytes]]:
        """A file and its content in pieces. Raises ArtifactNotFound; InvalidInput of a folder."""
        found = await self.get(user, file)
        if found.is_folder:
            raise InvalidInput(f"{found.path} is a folder: ask for a file in it")
        pieces = self._store.stream(_key(user, file))
        try:
            first = await anext(pieces)  # now: an answer that has begun cannot say any more that there is none
        except ArtifactNotFound:
            raise ArtifactNotFound(f"what was in {found.path} is lost: delete it, and upload it again") from None

        async def content() -> AsyncIterator[bytes]:
            yield bytes(first)
            async for piece in pieces:
                yield bytes(piece)

        return found, content()

    async def read(self, user: str, file: str, limit_bytes: int) -> tuple[UserFile, bytes]:
        """A file that is not large, whole. Raises as `find_all`."""
        (found,) = await self.find_all(user, [file], limit_bytes)
        _, pieces = await self.content(user, file)
        return found, b"".join([piece async for piece in pieces])

    async def find_all(self, user: str, files: Sequence[str], limit_bytes: int) -> Sequence[UserFile]:
        """Files that are not large, in this order. Raises ArtifactNotFound; InvalidInput of a folder; TooLarge."""
        found = [await self.get(user, file) for file in files]
        for each in found:
            if each.is_folder:
                raise InvalidInput(f"{each.path} is a folder: ask for a file in it")
            if each.size_bytes > limit_bytes:
                size, most = size_in_words(each.size_bytes), size_in_words(limit_bytes)
                raise TooLarge(f"{each.path} has {size}; at most {most} can be used here")
        return found

    async def receive_all(self, user: str, parts: AsyncIterator[tuple[str, bytes]]) -> Sequence[UserFile]:
        """Keep several files that come one after the other, each in pieces beside its path; all of them, or none.

        Raises:
            as `receive`, and what `parts` raises.
        """
        kept = list[UserFile]()
        try:
            async for path, pieces in _by_path(parts):
                kept.append(await self.receive(user, path, pieces, None))
        except BaseException:
            for each in kept:
                with suppress(ArtifactNotFound):  # its owner was faster
                    await self.remove(user, each.id)
            raise
        return kept

    async def note_workbench_file(self, file: UserFile, workbench_file: str) -> None:
        """Remember a copy that the workbench has: it goes when the file has gone, or has gone already."""
        await self._records.note_copy(WorkbenchCopy(workbench_file, file.user, file.id))

    def _folders(self, user: str, path: str) -> Sequence[UserFile]:
        now_s = self._clock()
        return [UserFile(secrets.token_hex(16), user, each, True, 0, now_s) for each in folders_of(path)]


class _Counted:
    """Pieces as they come, and how much they are together; over a limit they end with an error."""

    def __init__(self, pieces: AsyncIterator[bytes], most_bytes: int, free_bytes: int):
        self._pieces, self._most_bytes, self._free_bytes = pieces, most_bytes, free_bytes
        self.size_bytes = 0

    async def pieces(self) -> AsyncIterator[bytes]:
        async for piece in self._pieces:
            self.size_bytes += len(piece)
            self.check(self.size_bytes)
            yield piece
        if not self.size_bytes:
            raise InvalidInput("the file is empty: send its content as the body")

    def check(self, size_bytes: int) -> None:
        if size_bytes > self._most_bytes:
            raise TooLarge(f"the file is over {size_in_words(self._most_bytes)}, the most that is taken")
        if size_bytes > self._free_bytes:
            free = size_in_words(max(0, self._free_bytes))
            raise QuotaExceeded(f"only {free} are left of your quota: remove files or runs first")


async def _by_path(parts: AsyncIterator[tuple[str, bytes]]) -> AsyncIterator[tuple[str, AsyncIterator[bytes]]]:
    """Pieces that follow each other with the same path, together; each group is read before the next is asked for."""
    head = await anext(parts, None)

    async def same(path: str) -> AsyncIterator[bytes]:
        nonlocal head
        while head is not None and head[0] == path:
            yield head[1]
            head = await anext(parts, None)

    while head is not None:
        path = head[0]
        yield path, same(path)


def _key(user: str, file: str) -> str:
    return f"users/{user}/files/{file}"
