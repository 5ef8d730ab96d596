"""Copies of files at the workbench: once a file has gone here its copies go there, however long that takes."""

import asyncio
import logging
from contextlib import suppress
from typing import Protocol

from services.console.domain import WorkbenchCopy
from services.console.records import CopyRecords
from services.edge.errors import ArtifactNotFound, StoreUnavailable, StrataError

_LOOK_AGAIN_S = 60.0
"""The workbench may answer by then, and another process may have left something due."""

_log = logging.getLogger(__name__)


class CopyHolder(Protocol):
    """The workbench, as its copies see it."""

    async def remove_file(self, user: str, file: str) -> None:
        """Forget a file of a user there. Raises what the workbench raised."""


class WorkbenchCopies:
    """The copies of all users. What is due is in the database alone: a process that ends loses none of it."""

    def __init__(self, records: CopyRecords, workbench: CopyHolder):
        self._records, self._workbench = records, workbench
        self._told = asyncio.Event()

    def look_now(self) -> None:
        """Files have gone."""
        self._told.set()

    async def keep_removing(self) -> None:
        """Remove what is due, now, when files go, and from time to time; it has no end of its own."""
        while True:
            self._told.clear()
            try:
                for copy in await self._records.due_copies():
                    await self._remove(copy)
            except StoreUnavailable as error:
                _log.warning("copies at the workbench wait for the database: %s", error)
            with suppress(TimeoutError):
                async with asyncio.timeout(_LOOK_AGAIN_S):
                    await self._told.wait()

    async def _remove(self, copy: WorkbenchCopy) -> None:
        try:
            with suppress(ArtifactNotFound):  # the workbench had lost it, or a removal did not come to its end
                await self._workbench.remove_file(copy.user, copy.id)
        except Exception as error:
            _log.warning(
                "the workbench's copy %s stays due: %s", copy.id, error, exc_info=not isinstance(error, StrataError)
            )
        else:
            await self._records.forget_copy(copy.id)
