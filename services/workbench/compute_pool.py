"""The threads that sessions compute in, and whether they left anything behind."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from threading import Event
from typing import Any, ParamSpec, TypeVar

Args = ParamSpec("Args")
Result = TypeVar("Result")


class ComputePool(ThreadPoolExecutor):
    """Threads that note when a computation is over: what it freed can be given back, before the next one needs it."""

    def __init__(self, workers: int) -> None:
        super().__init__(workers, "compute")
        self._done = Event()

    def submit(self, fn: Callable[Args, Result], /, *args: Args.args, **kwargs: Args.kwargs) -> Future[Result]:
        """As any executor does."""
        future = super().submit(fn, *args, **kwargs)
        future.add_done_callback(self._note)
        return future

    def has_worked(self) -> bool:
        """True where a computation has ended since this was last asked."""
        if not self._done.is_set():
            return False
        self._done.clear()
        return True

    def _note(self, _: Future[Any]) -> None:
        self._done.set()


async def compute(pool: Executor, work: Callable[[], Result]) -> Result:
    """Do work in a thread of a pool, and wait for it. Raises what it raises."""
    return await asyncio.get_running_loop().run_in_executor(pool, work)
