"""Open-loop load: each request is sent when it is due, whether or not those before it are answered."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable

from services.loadtest.samples import Ended, Sample

MOST_UNDER_WAY = 2000
"""Requests at a time. One more waits, its latency counting from when it was due, and the verdict sees it was late."""


async def generate(
    dues_s: Iterable[float], ask: Callable[[int], Awaitable[Ended]], tell: Callable[[Sample], None]
) -> list[Sample]:
    """Send the requests of a schedule and wait for the last of them.

    Args:
        dues_s: when each is due, ascending, in s from now.
        ask: takes the request's number, from 0; raises nothing, and ends in bounded time.
        tell: takes each sample as it ends.
    Returns:
        The samples in the order in which they ended.
    """
    clock = asyncio.get_running_loop().time
    room = asyncio.Semaphore(MOST_UNDER_WAY)
    began_s = clock()
    samples: list[Sample] = []

    async def send(number: int, due_s: float) -> None:
        sent_s = clock() - began_s
        try:
            ended = await ask(number)
        finally:
            room.release()
        sample = Sample(due_s, sent_s, clock() - began_s, ended)
        samples.append(sample)
        tell(sample)

    async with asyncio.TaskGroup() as requests:
        for number, due_s in enumerate(dues_s):
            await asyncio.sleep(due_s - (clock() - began_s))
            await room.acquire()
            requests.create_task(send(number, due_s))
    return samples
