"""Who runs a job: one driver at a time, by a lease in the job's store.

A driver that takes a job creates `JOB/lease/N`, N one above the last: of two that try at once, the store lets one. It
writes the object anew well before its time is over; one that was not written for `LEASE_S` has run out, and the next
driver takes the job. Time is the store's own, so that the clocks of machines need not agree.
"""

import asyncio
import json
import logging
import math
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import Any, TypeAlias, TypeVar

from services.artifacts.store import ObjectStore
from services.edge.errors import ArtifactExists, ArtifactNotFound, JobUnderWay, StoreUnavailable

LEASE_S = 30.0
_RENEWALS = 3
"""In a lease's time: two may fail."""

_NEXT = "let it end, or stop it and resume then"

_Result = TypeVar("_Result")
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Holder:
    """A driver.

    Attributes:
        id: its own, of this run alone.
        host: as people know its machine.
        machine: what another process must share to see this one; empty where that is not known.
        began: of its process, as `pid` alone may come again.
    """

    id: str
    host: str
    pid: int
    machine: str
    began: int


HasEnded: TypeAlias = Callable[[Holder], bool]
"""Tells whether a driver's process is known to have ended; False where it cannot be seen from here."""


@dataclass(frozen=True)
class _Held:
    """The newest lease."""

    number: int
    holder: Holder


class Lease:
    """One driver's claim to one job."""

    def __init__(
        self,
        store: ObjectStore,
        job: str,
        holder: Holder,
        has_ended: HasEnded,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ):
        self._store = store
        self._job = job
        self._holder = holder
        self._has_ended = has_ended
        self._sleep = sleep
        self._number = 0

    async def check(self) -> None:
        """See that no other driver runs the job. Raises JobUnderWay."""
        await self._last()

    async def keep(self, work: Coroutine[Any, Any, _Result]) -> _Result:
        """Take the job, do the work, and give the job back.

        Raises:
            JobUnderWay: another driver runs it, or took it while this one did not write its lease in time; the work is
                not begun, or broken off.
        """
        try:
            await self._take()
        except BaseException:
            work.close()
            raise
        working, renewing = asyncio.create_task(work), asyncio.create_task(self._renew())
        try:
            await asyncio.wait((working, renewing), return_when=asyncio.FIRST_COMPLETED)
            return working.result() if working.done() else renewing.result()
        finally:
            for task in (working, renewing):
                task.cancel()
            await asyncio.gather(working, renewing, return_exceptions=True)
            await self._give_back()

    async def _take(self) -> None:
        self._number = await self._last() + 1
        try:
            await self._store.create(self._key(self._number), self._content())
        except ArtifactExists as error:
            raise JobUnderWay(f"another driver took job '{self._job}' just now; {_NEXT}") from error
        await self._store.remove([key for key in await self._keys() if key < self._key(self._number)])

    async def _renew(self) -> Any:
        while True:
            await self._sleep(LEASE_S / _RENEWALS)
            try:
                held = await self._held()
                if held is None or held.holder.id != self._holder.id:
                    by = f" by {_name(held.holder)}" if held else ""
                    raise JobUnderWay(f"job '{self._job}' was taken over{by}: this driver had not renewed its lease")
                await self._store.write(self._key(self._number), self._content())
            except StoreUnavailable as error:
                _log.warning("the lease of job '%s' is not renewed: %s", self._job, error)

    async def _give_back(self) -> None:
        with suppress(StoreUnavailable):  # then it runs out
            held = await self._held()
            if held and held.holder.id == self._holder.id:
                await self._store.remove([self._key(self._number)])

    async def _last(self) -> int:
        """The number of the newest lease, 0 where there was none. Raises JobUnderWay: it has not run out."""
        held = await self._held()
        if held is None:
            return 0
        left_s = 0.0 if self._has_ended(held.holder) else await self._left_s(held.number)
        if left_s > 0:
            raise JobUnderWay(
                f"job '{self._job}' is run by {_name(held.holder)}; {_NEXT}. If that driver has died, its lease runs "
                f"out in {math.ceil(left_s)} s"
            )
        return held.number

    async def _held(self) -> _Held | None:
        keys = await self._keys()
        if not keys:
            return None
        try:
            content = json.loads(await self._store.read(keys[-1]))
        except ArtifactNotFound:  # given back since
            return None
        return _Held(int(keys[-1].rpartition("/")[2]), Holder(**content))

    async def _left_s(self, number: int) -> float:
        """How long a lease lasts, by the store's clock: an object that is written now has its time."""
        clock = f"{self._job}/clock/{self._holder.id}"
        await self._store.write(clock, b"")
        try:
            age = await self._store.modified(clock) - await self._store.modified(self._key(number))
        except ArtifactNotFound:  # given back since
            return 0.0
        finally:
            await self._store.remove([clock])
        return LEASE_S - age.total_seconds()

    async def _keys(self) -> list[str]:
        return await self._store.keys(f"{self._job}/lease/")

    def _key(self, number: int) -> str:
        return f"{self._job}/lease/{number:06}"

    def _content(self) -> bytes:
        return json.dumps(asdict(self._holder)).encode()


def _name(holder: Holder) -> str:
    return f"process {holder.pid} on {holder.host}"
