"""Sessions in memory: opened again from their logs when they are asked for, one caller at a time in each."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import NamedTuple

from services.edge.errors import SessionNotFound
from services.workbench.session import Session
from services.workbench.session_log import SessionLog


class SessionKey(NamedTuple):
    """Whose session, and which."""

    owner: str
    session: str


class Opened(NamedTuple):
    """A session, and its log as it was last written."""

    session: Session
    log: SessionLog


@dataclass(eq=False)
class Held:
    """A session while one caller has it alone; closed meanwhile, its `session` and `log` raise SessionNotFound.

    Attributes:
        callers: who has it or waits for it. A lock is free for a moment between two of them.
    """

    opened: Opened | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)
    is_closing: bool = False
    callers: int = 0

    @property
    def session(self) -> Session:
        return self._still_opened().session

    @property
    def log(self) -> SessionLog:
        return self._still_opened().log

    def check(self) -> None:
        """Raises SessionNotFound where somebody closes it."""
        if self.is_closing:
            raise SessionNotFound("the session was closed meanwhile: open a new one")

    def _still_opened(self) -> Opened:
        self.check()
        assert self.opened is not None
        return self.opened


class OpenSessions:
    """At most `limit` sessions that no call holds stay in memory; those used last.

    Args:
        load: opens a session as it was left.
    """

    def __init__(self, load: Callable[[SessionKey], Awaitable[Opened]], limit: int) -> None:
        self._load, self._limit = load, limit
        self._held: OrderedDict[SessionKey, Held] = OrderedDict()

    @property
    def count(self) -> int:
        """How many are in memory."""
        return len(self._held)

    @asynccontextmanager
    async def hold(self, key: SessionKey) -> AsyncIterator[Held]:
        """Have a session alone, after those who came before.

        Raises:
            what `load` raises.
        """
        held = self._held.setdefault(key, Held())
        self._held.move_to_end(key)
        held.callers += 1
        try:
            async with held.lock:
                if held.opened is None:
                    held.opened = await self._load(key)
                yield held
        finally:
            held.callers -= 1
            if held.opened is None and not held.callers and self._held.get(key) is held:
                del self._held[key]
        self._forget_old()

    def put(self, key: SessionKey, opened: Opened) -> None:
        """Keep a session that was just opened."""
        self._held[key] = Held(opened)
        self._forget_old()

    @asynccontextmanager
    async def closing(self, key: SessionKey) -> AsyncIterator[None]:
        """Have a session alone that goes: who has it now is told at its next step, and who waits finds none."""
        held = self._held.setdefault(key, Held())
        held.is_closing = True
        held.callers += 1
        try:
            async with held.lock:
                yield
        finally:
            held.callers -= 1
            if self._held.get(key) is held:
                del self._held[key]

    def _forget_old(self) -> None:
        idle = [key for key, held in self._held.items() if not held.callers]
        for key in idle[: max(0, len(self._held) - self._limit)]:
            del self._held[key]
