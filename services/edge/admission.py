"""A bound on what is under way at a time: one more is refused at once, by name, and nothing of it is done."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from services.edge.errors import QueueFull


class Admission:
    """Count what is under way, and refuse what is one too many.

    For one event loop: it is asked and left in its thread alone.
    """

    def __init__(self, limit: int, what: str, changed: Callable[[int], None] = lambda _: None):
        """Admit nothing yet.

        Args:
            limit: as many may be under way.
            what: they are called in the refusal, in the plural.
            changed: called with the new count each time it changes.
        """
        self.limit = limit
        self._what = what
        self._changed = changed
        self._under_way = 0

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
            raise QueueFull(f"{self.limit} {self._what} are under way, the most there may be; try again soon")
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def _count(self, step: int) -> None:
        self._under_way += step
        self._changed(self._under_way)
