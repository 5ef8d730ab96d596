"""The stages of a chain inside an engine that is fed journeys and gives them back."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Protocol

from services.artifacts.precision import Encoding
from services.contracts.strata.stage.v1 import stage_pb2 as pb
from services.edge.errors import ExecutorLost, Internal, NotReady
from services.edge.remote_errors import named_error
from services.edge.tracing import hand_over
from services.pipeline.converters import answer_of_message, description_of_message, journey_to_message
from services.pipeline.domain import StageAnswer, StageDescription


class Sender(Protocol):
    """The way to a `Feed`, wherever it is."""

    async def put(self, number: int, journey: bytes) -> None: ...

    async def news(self, number: int, stage: int) -> bytes: ...

    async def forget(self, number: int) -> None: ...


class FedStages:
    """A `Stages` over an engine. It lives in one event loop."""

    def __init__(self, sender: Sender, stages: int, start_timeout_s: float):
        self._sender = sender
        self._stages = stages
        self._start_timeout_s = start_timeout_s
        self._numbers = count()
        self._under_way: dict[int, asyncio.Future[bytes]] = {}
        self._lost: ExecutorLost | None = None
        self._described: asyncio.Task[list[StageDescription]] | None = None

    def __len__(self) -> int:
        return self._stages

    def arrived(self, number: int, journey: bytes) -> None:
        """Take back what the engine gives."""
        future = self._under_way.get(number)
        if future and not future.done():  # a journey may come twice where a part of the engine was lost
            future.set_result(journey)

    def ended(self, why: str) -> None:
        """Learn that the engine gives nothing more."""
        self._lost = ExecutorLost(why)
        for future in self._under_way.values():
            if not future.done():
                future.set_exception(self._lost)

    async def describe(self, stage: int) -> StageDescription:
        """Ask a stage what it is: one journey for all of them, which also tells that each has an actor.

        Raises:
            NotReady: the engine did not start them in time.
            ExecutorLost: the engine ended; and what a stage says is wrong with it.
        """
        if self._described is None:
            self._described = asyncio.create_task(self._describe())
        return (await asyncio.shield(self._described))[stage]

    async def take(
        self, first: int, chain: str, urls: Sequence[str], precision: Encoding
    ) -> AsyncGenerator[StageAnswer, None]:
        """Send a record through. Raises ExecutorLost and what the stage says that ended it."""
        given = 0
        async with self._sent(journey_to_message(first, chain, urls, precision, hand_over())) as (number, back):
            for stage in range(first, self._stages):
                for passed in (await self._reached(number, stage, back)).passed[given:]:
                    given += 1
                    yield answer_of_message(passed.answer, passed.seconds)
            _check(pb.Journey.FromString(await back))

    async def _reached(self, number: int, stage: int, back: asyncio.Future[bytes]) -> pb.Journey:
        """Wait until a journey is past a stage, or back."""
        if stage < self._stages - 1 and not back.done():
            news = asyncio.ensure_future(self._sender.news(number, stage))
            await asyncio.wait((news, back), return_when=asyncio.FIRST_COMPLETED)
            if not back.done():
                return pb.Journey.FromString(await news)
            news.cancel()
        return pb.Journey.FromString(await back)

    async def _describe(self) -> list[StageDescription]:
        try:
            async with asyncio.timeout(self._start_timeout_s):
                async with self._sent(pb.Journey()) as (_, back):
                    journey = pb.Journey.FromString(await back)
        except TimeoutError:
            raise NotReady(
                f"not every stage was started within {self._start_timeout_s:g} s; has the cluster the CPUs and memory?"
            ) from None
        _check(journey)
        return [description_of_message(each) for each in journey.descriptions]

    @asynccontextmanager
    async def _sent(self, journey: pb.Journey) -> AsyncIterator[tuple[int, asyncio.Future[bytes]]]:
        """Send a journey; give its number, and the future in which it comes back."""
        if self._lost:
            raise self._lost
        number = next(self._numbers)
        back = self._under_way[number] = asyncio.get_running_loop().create_future()
        try:
            await self._sender.put(number, journey.SerializeToString())
            yield number, back
        finally:
            del self._under_way[number]
            await self._sender.forget(number)


def _check(journey: pb.Journey) -> None:
    if journey.error:
        raise named_error(journey.error, journey.message) or Internal(f"{journey.error}: {journey.message}")
