"""Models as child processes: started on first use, stopped when idle, started anew when they died."""

import asyncio
import logging
import os
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeAlias

import grpc

from services.edge.cpu_share import thread_count
from services.edge.errors import ModelNotFound
from services.edge.grpc_channel import open_channel
from services.local.process import start_model

_log = logging.getLogger(__name__)


class Child(Protocol):
    """A running model."""

    @property
    def pid(self) -> int: ...

    @property
    def address(self) -> str: ...

    @property
    def alive(self) -> bool: ...

    async def stop(self, grace_s: float) -> None: ...


Spawn: TypeAlias = Callable[[str], Awaitable[Child]]
"""The model's name -> the child, ready; or `MemberUnavailable`."""


@dataclass
class _Running:
    child: Child
    channel: grpc.aio.Channel
    last_used_s: float


class Supervisor:
    """Give a gRPC channel to a model, starting it where it does not run.

    Ask for the channel at each request, and do not keep it: asking is what counts as use, and what notices a death.
    """

    def __init__(
        self,
        models: frozenset[str],
        spawn: Spawn,
        idle_s: float,
        clock: Callable[[], float] = time.monotonic,
        grace_s: float = 30.0,
    ):
        self._models = models
        self._spawn = spawn
        self._idle_s = idle_s
        self._clock = clock
        self._grace_s = grace_s
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
        for model in list(self._starts):
            self._stop(model)
        await asyncio.gather(*self._stops)

    async def channel(self, model: str) -> grpc.aio.Channel:
        """Return a channel to the model; callers that come while it starts share one start.

        Raises:
            ModelNotFound: not one of this supervisor's models.
            MemberUnavailable: it did not start; the next call tries again.
        """
        if model not in self._models:
            raise ModelNotFound(f"model '{model}' is not one of {', '.join(sorted(self._models))}")
        start = self._starts.get(model)
        if start is not None and start.done() and not _usable(start):
            self._stop(model)
            start = None
        if start is None:
            start = self._starts[model] = asyncio.create_task(self._start(model))
        running = await asyncio.shield(start)
        running.last_used_s = self._clock()
        return running.channel

    def running(self) -> Mapping[str, int]:
        """Return the process id of each model that runs."""
        return {model: start.result().child.pid for model, start in self._starts.items() if _usable(start)}

    def stop_idle(self) -> None:
        """Begin to stop each model that nobody has asked for in `idle_s`; requests it runs are still answered."""
        now_s = self._clock()
        for model, start in list(self._starts.items()):
            if _usable(start) and now_s - start.result().last_used_s >= self._idle_s:
                _log.info("model '%s' is idle", model)
                self._stop(model)

    async def _start(self, model: str) -> _Running:
        began_s = self._clock()
        child = await self._spawn(model)
        _log.info("model '%s' runs as process %d after %.2f s", model, child.pid, self._clock() - began_s)
        return _Running(child, open_channel(child.address), self._clock())

    def _stop(self, model: str) -> None:
        start = self._starts.pop(model)
        if not start.cancelled() and start.exception() is None:
            stop = asyncio.create_task(self._end(model, start.result()))
            self._stops.add(stop)
            stop.add_done_callback(self._stops.discard)

    async def _end(self, model: str, running: _Running) -> None:
        if not running.child.alive:
            _log.warning("model '%s' died as process %d", model, running.child.pid)
        await running.child.stop(self._grace_s)
        await running.channel.close()

    async def _sweep(self) -> None:
        while True:
            await asyncio.sleep(self._idle_s / 4)
            self.stop_idle()


def _usable(start: "asyncio.Task[_Running]") -> bool:
    return start.done() and not start.cancelled() and start.exception() is None and start.result().child.alive


def threads_each(cpus: int, models: int) -> int:
    """Split the CPUs among models that may all run at once: no thread of one waits for a CPU another's holds."""
    return max(1, cpus // max(1, models))


def local_models(
    compiled: Mapping[str, Path], logs: Path, idle_s: float = 300.0, start_timeout_s: float = 60.0
) -> Supervisor:
    """Supervise compiled models on this machine.

    Args:
        compiled: the folder of each.
        logs: folder of their logs, one file a model.
    """
    threads = str(threads_each(thread_count(), len(compiled)))

    async def spawn(model: str) -> Child:
        settings = {"MODEL_COMPILED": os.fspath(compiled[model].resolve()), "MODEL_THREADS": threads}
        return await start_model(model, settings, logs / f"{model}.log", start_timeout_s)

    return Supervisor(frozenset(compiled), spawn, idle_s)
