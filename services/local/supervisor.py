"""Services as child processes: started on first use, stopped when idle, started anew when they died."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import grpc

from services.edge.errors import NotFound, StrataError
from services.edge.grpc_channel import open_channel
from services.local.process import LastWords, start_service

_log = logging.getLogger(__name__)


class Child(Protocol):
    """A running service."""

    @property
    def pid(self) -> int: ...

    @property
    def address(self) -> str: ...

    @property
    def alive(self) -> bool: ...

    async def stop(self, grace_s: float) -> LastWords: ...


Spawn: TypeAlias = Callable[[str], Awaitable[Child]]
"""The service's name -> the child, ready; or `NotStarted`."""


@dataclass
class _Running:
    child: Child
    channel: grpc.aio.Channel
    last_used_s: float


class Supervisor:
    """Give a gRPC channel to a service, starting it where it does not run.

    Ask for the channel at each request, and do not keep it: asking is what counts as use, and what notices a death.
    """

    def __init__(
        self,
        names: frozenset[str],
        spawn: Spawn,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
        grace_s: float = 30.0,
        ended: Callable[[str, LastWords], None] = lambda *_: None,
    ):
        """Start nothing yet; `ended` is called with the last words of each service that says any."""
        self._names = names
        self._spawn = spawn
        self._idle_s = idle_s
        self._clock = clock
        self._grace_s = grace_s
        self._ended = ended
        self._starts: dict[str, asyncio.Task[_Running]] = {}
        self._stops: set[asyncio.Task[None]] = set()
        self._sweeper: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._sweeper = asyncio.create_task(self._sweep())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._sweeper:
            self._sweeper.cancel()
        for start in self._starts.values():
            start.cancel()  # does nothing to those that are done
        await asyncio.gather(*self._starts.values(), return_exceptions=True)
        for name in list(self._starts):
            self._stop(name)
        await asyncio.gather(*self._stops)

    async def channel(self, name: str) -> grpc.aio.Channel:
        """Return a channel to the service; callers that come while it starts share one start.

        Raises:
            NotFound: not one of this supervisor's services.
            NotStarted: it did not start; the next call tries again.
        """
        if name not in self._names:
            raise NotFound(f"'{name}' is not one of {', '.join(sorted(self._names))}")
        start = self._starts.get(name)
        if start is not None and start.done() and not _usable(start):
            self._stop(name)
            start = None
        if start is None:
            start = self._starts[name] = asyncio.create_task(self._start(name))
        running = await asyncio.shield(start)
        running.last_used_s = self._clock()
        return running.channel

    async def wake(self, names: Iterable[str]) -> dict[str, str]:
        """Start what does not run of these, and wait for it; return those that did not start, and why."""
        others = [name for name in names if not self._use(name)]
        starts = await asyncio.gather(*map(self.channel, others), return_exceptions=True) if others else ()
        return {name: str(start) for name, start in zip(others, starts, strict=True) if isinstance(start, StrataError)}

    def starting(self) -> frozenset[str]:
        """Return those that were asked for and do not run yet."""
        return frozenset(name for name, start in self._starts.items() if not start.done())

    def running(self) -> Mapping[str, int]:
        """Return the process id of each service that runs."""
        return {name: start.result().child.pid for name, start in self._starts.items() if _usable(start)}

    def stop_idle(self) -> None:
        """Begin to stop each service that was not asked for in `idle_s`; requests it runs are still answered."""
        now_s = self._clock()
        for name, start in list(self._starts.items()):
            if _usable(start) and now_s - start.result().last_used_s >= self._idle_s:
                _log.info("'%s' is idle", name)
                self._stop(name)

    def _use(self, name: str) -> bool:
        """Note that a service is used, and tell whether it runs."""
        start = self._starts.get(name)
        if start is None or not _usable(start):
            return False
        start.result().last_used_s = self._clock()
        return True

    async def _start(self, name: str) -> _Running:
        began_s = self._clock()
        child = await self._spawn(name)
        _log.info("'%s' runs as process %d after %.2f s", name, child.pid, self._clock() - began_s)
        return _Running(child, open_channel(child.address), self._clock())

    def _stop(self, name: str) -> None:
        start = self._starts.pop(name)
        if not start.cancelled() and start.exception() is None:
            stop = asyncio.create_task(self._end(name, start.result()))
            self._stops.add(stop)
            stop.add_done_callback(self._stops.discard)

    async def _end(self, name: str, running: _Running) -> None:
        if not running.child.alive:
            _log.warning("'%s' died as process %d", name, running.child.pid)
        if words := await running.child.stop(self._grace_s):
            self._ended(name, words)
        await running.channel.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._idle_s / 4)
            self.stop_idle()


def _usable(start: "asyncio.Task[_Running]") -> bool:
    return start.done() and not start.cancelled() and start.exception() is None and start.result().child.alive


def local_services(
    module: str,
    settings: Mapping[str, Mapping[str, str]],
    logs: Path,
    idle_s: float = 300.0,
    start_timeout_s: float = 60.0,
    ended: Callable[[str, LastWords], None] = lambda *_: None,
) -> Supervisor:
    """Supervise services of one kind on this machine.

    Args:
        module: what each runs, `services.model` for instance; see `start_service`.
        settings: of each, by its name.
        logs: folder of their logs, one file a service.
        idle_s: one that is not asked for that long is stopped.
        ended: see `Supervisor`.
    """

    async def spawn(name: str) -> Child:
        return await start_service(module, name, settings[name], logs / f"{name}.log", start_timeout_s)

    return Supervisor(frozenset(settings), spawn, idle_s, ended=ended)
