"""Long work in a thread, whose steps and results come out one by one; it stops when the caller is gone."""

import asyncio
import threading
from collections.abc import AsyncGenerator, Callable
from concurrent.futures import Executor
from dataclasses import dataclass
from typing import Generic, TypeVar

Item = TypeVar("Item")


class _Stopped(Exception):
    pass


@dataclass(frozen=True)
class Step:
    """Where the work is; `done` of `total` where they are counted, else 0."""

    step: str
    done: int
    total: int


class Listener(Generic[Item]):
    """What the work calls, in its thread: with a step (it is a `Progress`), or with an item that is done."""

    def __init__(self, hand_over: Callable[[Step | Item], None]) -> None:
        self._hand_over = hand_over
        self._stopped = threading.Event()

    def __call__(self, step: str, done: int = 0, total: int = 0) -> None:
        self._check()
        self._hand_over(Step(step, done, total))

    def give(self, item: Item) -> None:
        """Hand out an item."""
        self._check()
        self._hand_over(item)

    def stop(self) -> None:
        """The work's next call ends it."""
        self._stopped.set()

    def _check(self) -> None:
        if self._stopped.is_set():
            raise _Stopped


async def listen(work: Callable[[Listener[Item]], None], pool: Executor) -> AsyncGenerator[Step | Item, None]:
    """Run `work` in the pool and yield what it hands over, as it does.

    Whoever stops listening stops the work at its next step; this returns when its thread has ended.

    Raises:
        what the work raises.
    """
    loop = asyncio.get_running_loop()
    handed: asyncio.Queue[Step | Item | None] = asyncio.Queue()
    listener = Listener[Item](lambda each: _hand(loop, handed, each))
    running = loop.run_in_executor(pool, work, listener)
    running.add_done_callback(lambda _: handed.put_nowait(None))
    try:
        while (each := await handed.get()) is not None:
            yield each
        await running
    finally:
        listener.stop()
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()  # looked at: it was raised above, or the caller is gone


def _hand(loop: asyncio.AbstractEventLoop, handed: "asyncio.Queue[Step | Item | None]", each: Step | Item) -> None:
    loop.call_soon_threadsafe(handed.put_nowait, each)
