"""The thread that passes run on, one after the other."""

import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Generic, TypeVar

from services.edge.deadline import Clock
from services.model.batching import BatchQueue, Work
from services.zoo.manifest import Batching

Result = TypeVar("Result")


class Passes(Generic[Work]):
    """Takes what waits, as a `BatchQueue` says, and runs it.

    The thread itself takes what is next: between two passes it waits for no event loop.
    """

    def __init__(
        self,
        batching: Batching,
        run: Callable[[Sequence[Work]], None],
        pictures_of: Callable[[Work], int],
        clock: Clock = time.monotonic,
    ):
        """Run nothing yet; `run` is one pass, on the thread, and raises nothing."""
        self._queue: BatchQueue[Work] = BatchQueue(batching)
        self._run = run
        self._pictures_of = pictures_of
        self._clock = clock
        self._changed = threading.Condition()
        self._thread = ThreadPoolExecutor(1, "forward")

    def call(self, function: Callable[[], Result]) -> Future[Result]:
        """Have something else run on the thread, when its turn comes."""
        return self._thread.submit(function)

    def put(self, work: Work, latest_s: float) -> None:
        """Have a request wait for its pass; `latest_s` by the clock."""
        with self._changed:
            self._queue.add(work, self._pictures_of(work), self._clock(), latest_s)
            self._changed.notify()
        self._thread.submit(self._next)

    def take_back(self, work: Work) -> bool:
        """Let a request go that waits; False where its pass has begun."""
        with self._changed:
            self._changed.notify()
            return self._queue.remove(work)

    def _next(self) -> None:
        """Run the next pass; once for each request that was put, so that some find nothing left to do."""
        with self._changed:
            while (held_s := self._queue.begins_s - self._clock()) > 0:
                self._changed.wait(held_s)
            began_s = self._clock()
            taken = self._queue.take(began_s)
        if not taken:
            return
        self._run(taken)
        with self._changed:
            now_s = self._clock()
            self._queue.ended(sum(map(self._pictures_of, taken)), now_s - began_s, now_s)
