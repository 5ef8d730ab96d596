"""The places of one member: how many requests may have tensors on their way to it, who came first going first."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

PLACES = 2
"""Requests at a member at a time: one travels there while it computes another."""


class Places:
    """Places for one event loop.

    A member that runs requests together has room for more of them: for as many pictures as two of its largest passes
    hold, one that it computes and one that gathers meanwhile.
    """

    def __init__(self, requests: int = PLACES):
        self._requests = requests
        self._pictures = 0
        self._held_requests = self._held_pictures = 0
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def widen(self, largest: int) -> None:
        """Note how many pictures the member runs together at most."""
        self._pictures = PLACES * largest
        self._admit()

    @asynccontextmanager
    async def hold(self, pictures: int) -> AsyncIterator[None]:
        """Wait for a place for a request of so many pictures, and hold it."""
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((pictures, turn))
        self._admit()
        try:
            await turn
            yield
        finally:
            if not turn.cancel() and not turn.cancelled():  # it was given a place
                self._held_requests -= 1
                self._held_pictures -= pictures
            self._admit()

    def _admit(self) -> None:
        while self._waiting and (self._waiting[0][1].cancelled() or self._has_room(self._waiting[0][0])):
            pictures, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._held_requests += 1
                self._held_pictures += pictures
                turn.set_result(None)

    def _has_room(self, pictures: int) -> bool:
        return self._held_requests < self._requests or self._held_pictures + pictures <= self._pictures
