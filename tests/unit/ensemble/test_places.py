"""How many requests a member is sent at a time: two, or as many as run together there, and never more tensors."""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from services.edge.deadline import Deadline
from services.edge.receipts import CLOUD_RUN, Usage
from services.ensemble.domain import PredictRequest
from services.ensemble.fan_out import ChunkReply, SharedPass
from services.ensemble.places import Places
from services.ensemble.preparation import Images
from services.ensemble.queue import Queue
from services.ensemble.served import Served
from services.ensemble.usecases import Predictor
from tests.unit.ensemble.small_ensembles import prepare, small_ensemble

pytestmark = pytest.mark.timeout(60)


class Member:
    """One that says how many pictures it runs together, and counts the requests and pictures that are there."""

    def __init__(self, largest: int):
        self._largest = largest
        self._passes = self._requests = self._pictures = 0
        self.most_requests = self.most_pictures = 0

    async def infer(self, model: str, images: Images, deadline: Deadline) -> ChunkReply:
        self._requests, self._pictures = self._requests + 1, self._pictures + len(images)
        self.most_requests = max(self.most_requests, self._requests)
        self.most_pictures = max(self.most_pictures, self._pictures)
        most = 0
        while most != self.most_requests:  # until all who have a place have come, as a busy machine sends them
            most = self.most_requests
            await asyncio.sleep(0.03)
        self._requests, self._pictures = self._requests - 1, self._pictures - len(images)
        self._passes += 1
        shared = SharedPass(self._passes, 1, self._largest) if self._largest > 1 else None
        return ChunkReply(np.ones((len(images), 3), np.float32), Usage(1), 1.0, False, shared=shared)

    async def start(self, model: str, deadline: Deadline) -> None:
        pass

    async def wake(self, models: object) -> dict[str, str]:
        return {}

    def starting(self) -> frozenset[str]:
        return frozenset()


@pytest.fixture
def served(tmp_path: Path) -> dict[str, Served]:
    return small_ensemble(tmp_path, "alone", ("a",), "deadline_ms: 60000\nwhen_late: start\n")


async def asked(served: dict[str, Served], member: Member, *pictures: int, places: int = 2) -> Member:
    """The member after one request, which tells what it is, and then so many at once."""
    queue = Queue(member.start, {"a": places})
    with ThreadPoolExecutor(1) as pool:
        predictor = Predictor(served, member.infer, member, prepare, pool, CLOUD_RUN, 100, {}, queue)
        await predictor.predict(PredictRequest("alone", (b"1",)))
        await asyncio.gather(*(predictor.predict(PredictRequest("alone", (b"1",) * count)) for count in pictures))
    return member


async def test_a_member_is_sent_as_many_requests_as_two_of_its_passes_hold(served: dict[str, Served]) -> None:
    assert (await asked(served, Member(1), *[1] * 10)).most_requests == 2
    assert (await asked(served, Member(8), *[1] * 40)).most_requests == 16


async def test_large_requests_fill_passes_by_themselves(served: dict[str, Served]) -> None:
    assert (await asked(served, Member(8), *[12] * 6)).most_requests == 2
    assert (await asked(served, Member(8), *[5] * 9)).most_requests == 3


async def test_a_member_of_several_processes_keeps_its_places(served: dict[str, Served]) -> None:
    assert (await asked(served, Member(2), *[1] * 40, places=6)).most_requests == 6


@pytest.fixture
async def hold() -> Callable[[Places, int], Awaitable[tuple["asyncio.Task[None]", asyncio.Event]]]:
    async def begin(places: Places, pictures: int) -> tuple["asyncio.Task[None]", asyncio.Event]:
        held = asyncio.Event()

        async def holding() -> None:
            async with places.hold(pictures):
                held.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(holding())
        await asyncio.sleep(0)
        return task, held

    return begin


async def test_who_leaves_the_line_or_a_place_lets_the_next_one_in(
    hold: Callable[[Places, int], Awaitable[tuple["asyncio.Task[None]", asyncio.Event]]],
) -> None:
    places = Places(1)
    first, second, third = [await hold(places, 1) for _ in range(3)]
    assert [held.is_set() for _, held in (first, second, third)] == [True, False, False]
    second[0].cancel()
    first[0].cancel()  # gives its place back while the second has not yet noticed
    await asyncio.gather(first[0], second[0], return_exceptions=True)
    await asyncio.wait_for(third[1].wait(), 1)
    fourth = await hold(places, 1)
    assert not fourth[1].is_set()
    for task, _ in (third, fourth):
        task.cancel()
    await asyncio.gather(third[0], fourth[0], return_exceptions=True)
