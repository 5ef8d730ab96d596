"""A bound on what is under way at a time: one more is refused at once, by name, and nothing of it is done."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.edge.deadline import Clock
from services.edge.errors import QueueFull

_NEWEST = 0.1


class Admission:
    """Count what is under way, and refuse what is one too many.

    For one event loop: it is asked and left in its thread alone.
    """

    def __init__(
        self,
        limit: int,
        what: str,
        changed: Callable[[int], None] = lambda _: None,
        clock: Clock = time.monotonic,
    ):
        """Admit nothing yet.

        Args:
            limit: as many may be under way.
            what: they are called in the refusal, in the plural.
            changed: called with the new count each time it changes.
        """
        self.limit = limit
        self._what = what
        self._changed = changed
        self._clock = clock
        self._under_way = 0
        self._mean_s: float | None = None

    @property
    def under_way(self) -> int:
        """How many are."""
        return self._under_way

    @property
    def server_limit(self) -> int:
        """How many calls a server in front of this may read: twice as many, so that one too many is refused here."""
        return 2 * self.limit

    @contextmanager
    def admit(self) -> Iterator[None]:
        """Count one for as long as this lasts.

        Raises:
            QueueFull: as many as may be are under way.
        """
        if self._under_way >= self.limit:
            # With so many under way, one of them ends after that long on average.
            free_after_s = None if self._mean_s is None else self._mean_s / self.limit
            raise QueueFull(
                f"{self.limit} {self._what} are under way, the most there may be; try again soon", free_after_s
            )
        self._count(1)
        began_s = self._clock()
        try:
            yield
        finally:
            self._count(-1)
            self._note(self._clock() - began_s)

    def _note(self, took_s: float) -> None:
        """Keep a mean that forgets: the last ten count for two thirds of it."""
        self._mean_s = took_s if self._mean_s is None else self._mean_s + _NEWEST * (took_s - self._mean_s)

    def _count(self, step: int) -> None:
        self._under_way += step
        self._changed(self._under_way)
