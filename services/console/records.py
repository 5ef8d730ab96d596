"""What the use cases ask of the database; `sql_records` answers."""

from collections.abc import Sequence
from typing import Protocol

from services.console.domain import Link, LogIn, Run, User, UserFile, WorkbenchCopy


class AccountRecords(Protocol):
    """Users, and who is logged in."""

    async def add_user(self, user: User) -> None:
        """Raises NameTaken."""

    async def user_of_name(self, name: str) -> User | None: ...

    async def user_of_log_in(self, digest: str, now_s: float) -> tuple[User, LogIn] | None:
        """None where there is no such log-in, or its time is over."""

    async def add_log_in(self, log_in: LogIn) -> None: ...

    async def remove_log_in(self, digest: str) -> None: ...

    async def remove_log_ins_until(self, now_s: float) -> None:
        """Forget those whose time is over."""

    async def add_failure(self, name: str, at_s: float) -> None:
        """Note a wrong password."""

    async def failures_since(self, name: str, since_s: float) -> Sequence[float]:
        """When the wrong passwords for a name came, the oldest first; older ones are forgotten."""


class FileRecords(Protocol):
    """Files of users. An id of another user's is nobody's: None."""

    async def files(self, user: str) -> Sequence[UserFile]:
        """All of a user's, by path."""

    async def file(self, user: str, file: str) -> UserFile | None: ...

    async def add_file(self, file: UserFile, folders: Sequence[UserFile], quota_bytes: int) -> None:
        """Add a file, and those of the folders it lies in that are not there.

        Raises:
            ArtifactExists: something has that path, or a file has the path of a folder.
            QuotaExceeded: more bytes than the user may keep.
        """

    async def move_file(self, user: str, file: str, path: str, folders: Sequence[UserFile]) -> UserFile:
        """Give a file or a folder with all in it another path. Raises ArtifactNotFound, ArtifactExists."""

    async def remove_file(self, user: str, file: str) -> Sequence[UserFile]:
        """Remove a file or a folder with all in it; what was removed. Raises ArtifactNotFound."""

    async def note_copy(self, copy: WorkbenchCopy) -> None:
        """Remember a copy that the workbench has, also where its file has gone meanwhile."""

    async def used_bytes(self, user: str) -> int:
        """Of files and of the pictures of runs."""


class CopyRecords(Protocol):
    """Copies that the workbench has of files of users."""

    async def due_copies(self) -> Sequence[WorkbenchCopy]:
        """Those of all users whose file has gone."""

    async def forget_copy(self, copy: str) -> None:
        """The workbench has it no longer."""


class RunRecords(Protocol):
    """Runs of users. An id of another user's is nobody's: None."""

    async def runs(self, user: str) -> Sequence[Run]:
        """All of a user's, the newest first."""

    async def run(self, user: str, run: str) -> Run | None: ...

    async def unfinished_runs(self) -> Sequence[Run]:
        """Those of all users that are not over."""

    async def add_run(self, run: Run, quota_bytes: int) -> None:
        """Raises QuotaExceeded."""

    async def write_run(self, run: Run) -> None:
        """Keep a run as it is now; one that was removed meanwhile stays removed."""

    async def remove_run(self, user: str, run: str) -> None: ...


class LinkRecords(Protocol):
    """Links of users. An id of another user's is nobody's: None."""

    async def links(self, user: str, run: str) -> Sequence[Link]:
        """A user's of one run, the newest first."""

    async def link_of(self, digest: str) -> Link | None:
        """The one whose address has the secret of this digest."""

    async def add_link(self, link: Link, quota_bytes: int) -> None:
        """Raises QuotaExceeded; RunNotFound where its run has gone meanwhile."""

    async def remove_link(self, user: str, link: str) -> Link | None:
        """Remove one; what was removed."""
