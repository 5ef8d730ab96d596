"""Which of the requests that wait run together, and when: by what waits, and by how long passes took before."""

import math
from collections import deque
from dataclasses import dataclass
from typing import Generic, TypeVar

from services.zoo.manifest import Batching

_MARGIN = 1.25
"""A pass is taken to last so much longer than the last one of its size did."""

Work = TypeVar("Work")


@dataclass(frozen=True)
class _Waiting(Generic[Work]):
    work: Work
    pictures: int
    arrived_s: float
    latest_s: float


class BatchQueue(Generic[Work]):
    """Requests in the order they came, and the passes that they are taken in.

    A pass that could begin is held for `wait_ms` at most, and only while fewer pictures wait than the pass before it
    had: who asks alone is never held. None is held, and none joins a pass, where that would make one late which would
    else be in time. All times are in seconds on one clock.
    """

    def __init__(self, batching: Batching):
        self._batching = batching
        self._waiting: deque[_Waiting[Work]] = deque()
        self._expected = 1
        self._free_s = -math.inf
        self._took_s: dict[int, float] = {}

    def add(self, work: Work, pictures: int, arrived_s: float, latest_s: float) -> None:
        """Have a request wait; `latest_s` is when its answer must be out, infinite where it may take for ever."""
        self._waiting.append(_Waiting(work, pictures, arrived_s, latest_s))

    def remove(self, work: Work) -> bool:
        """Let a request go; False where it does not wait any more."""
        for waiting in self._waiting:
            if waiting.work == work:
                self._waiting.remove(waiting)
                return True
        return False

    @property
    def begins_s(self) -> float:
        """When the next pass shall begin, by what waits now; in the past where it is at once."""
        pictures = sum(waiting.pictures for waiting in self._waiting)
        if pictures >= min(self._batching.largest, self._expected) or not self._waiting:
            return -math.inf
        held_until_s = max(self._free_s, self._waiting[0].arrived_s) + self._batching.wait_ms / 1e3
        return min(held_until_s, min(waiting.latest_s for waiting in self._waiting) - self._takes_s(pictures))

    def take(self, now_s: float) -> list[Work]:
        """Take the requests of a pass that begins now; none where none waits.

        The first runs whatever its size; others join it up to the largest pass.
        """
        taken: list[_Waiting[Work]] = []
        pictures = 0
        while self._waiting:
            together = pictures + self._waiting[0].pictures
            if taken and (together > self._batching.largest or self._would_be_late(taken, pictures, together, now_s)):
                break
            taken.append(self._waiting.popleft())
            pictures = together
        return [waiting.work for waiting in taken]

    def ended(self, pictures: int, took_s: float, now_s: float) -> None:
        """Note that a pass has ended."""
        self._expected, self._free_s = pictures, now_s
        self._took_s[pictures] = took_s

    def _would_be_late(self, taken: list[_Waiting[Work]], pictures: int, together: int, now_s: float) -> bool:
        """Tell whether a larger pass would be late for one that the smaller one is in time for."""
        soon_s, late_s = now_s + self._takes_s(pictures), now_s + self._takes_s(together)
        return any(soon_s <= waiting.latest_s < late_s for waiting in taken)

    def _takes_s(self, pictures: int) -> float:
        """Forecast a pass from one of its size or the next smaller one, or from a larger one; infinite before any."""
        smaller = [size for size in self._took_s if size <= pictures]
        if smaller:
            return _MARGIN * self._took_s[max(smaller)] * pictures / max(smaller)
        return _MARGIN * self._took_s[min(self._took_s)] if self._took_s else math.inf
