"""What an engine is fed while it runs; a reader that was lost begins again."""

import asyncio
from collections import Counter


class Feed:
    """Journeys in the order in which they were put; each has a number that its sender chose."""

    def __init__(self) -> None:
        self._numbers: list[int] = []
        self._journeys: dict[int, bytes] = {}
        self._begun: Counter[tuple[int, int]] = Counter()
        self._reached: dict[int, tuple[int, bytes]] = {}
        self._closed = False
        self._changed = asyncio.Event()

    async def put(self, number: int, journey: bytes) -> None:
        """Add a journey."""
        self._numbers.append(number)
        self._journeys[number] = journey
        self._changed.set()

    async def close(self) -> None:
        """Say that there will be no more."""
        self._closed = True
        self._changed.set()

    async def read(self, place: int) -> tuple[int, bytes] | None:
        """Wait for the journey at a place, from 0; b"" for one that is over, None past the last one."""
        while place >= len(self._numbers):
            if self._closed:
                return None
            await self._change()
        number = self._numbers[place]
        return number, self._journeys.get(number, b"")

    async def begin(self, number: int, stage: int, journey: bytes) -> int:
        """Note that a stage begins its part of a journey as it is by then; return how often it has, 0 if it is over."""
        if number not in self._journeys:
            return 0
        self._begun[number, stage] += 1
        self._reached[number] = stage, journey
        self._changed.set()
        return self._begun[number, stage]

    async def news(self, number: int, stage: int) -> bytes:
        """Wait until a journey is past a stage, and return what it is by then; b"" for one that is over."""
        while number in self._journeys:
            reached, journey = self._reached.get(number, (-1, b""))
            if reached > stage:
                return journey
            await self._change()
        return b""

    async def forget(self, number: int) -> None:
        """Let go of a journey that is over."""
        self._journeys.pop(number, None)
        self._reached.pop(number, None)
        for key in [key for key in self._begun if key[0] == number]:
            del self._begun[key]
        self._changed.set()

    async def _change(self) -> None:
        self._changed.clear()
        await self._changed.wait()
