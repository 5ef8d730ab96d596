"""What a simulated cluster has room for, in pods that are all of one size."""

from collections import deque
from typing import Protocol

import simpy


class Guest(Protocol):
    """What wants room for one pod."""

    @property
    def waits(self) -> bool:
        """Whether it still wants in."""

    def enters(self) -> None:
        """Take the room that there is."""


class Room:
    """Room for so many pods; who came first gets in first.

    Attributes:
        held: pods that are there: starting, ready, and on their way out.
        most: that were there at a time.
        most_waiting: that waited for room at a time.
    """

    def __init__(self, env: simpy.Environment, pods: int):
        self._env = env
        self._pods = pods
        self._changed_s = 0.0
        self._pod_s = 0.0
        self._waiting: deque[Guest] = deque()
        self.held = 0
        self.most = 0
        self.most_waiting = 0

    @property
    def pod_s(self) -> float:
        """How long pods were there until now, in sum."""
        return self._pod_s + self.held * (self._env.now - self._changed_s)

    def hold(self, pods: int) -> bool:
        """Take room at once where there is enough."""
        if self.held + pods > self._pods:
            return False
        self._count(pods)
        return True

    def enter(self, guest: Guest) -> None:
        """Let one in, now or later."""
        if self.hold(1):
            guest.enters()
            return
        self._waiting = deque(each for each in self._waiting if each.waits)
        self._waiting.append(guest)
        self.most_waiting = max(self.most_waiting, len(self._waiting))

    def leave(self) -> None:
        """Give one pod's room back, and let in who waits."""
        self._count(-1)
        while self._waiting and self.held < self._pods:
            guest = self._waiting.popleft()
            if guest.waits:
                self._count(1)
                guest.enters()

    def _count(self, more: int) -> None:
        self._pod_s, self._changed_s = self.pod_s, self._env.now
        self.held += more
        self.most = max(self.most, self.held)
