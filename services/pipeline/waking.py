"""The start of a job: its stages are woken at once, and its first record goes ahead while they start."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial

from services.artifacts.precision import Encoding
from services.artifacts.store import ObjectStore
from services.edge.tracing import Carrier, beginning, hand_over
from services.pipeline.domain import StageAnswer, StageDescription, check_chain
from services.pipeline.job_store import JobStore
from services.pipeline.means import Means


class Waking:
    """Stages that were all asked at once what they are, each by one call: two at a time would start two pods of it."""

    def __init__(self, descriptions: "Sequence[asyncio.Task[StageDescription]]"):
        self._descriptions = descriptions

    async def chain(self) -> str:
        """The chain's digest, as soon as the first stage runs. Raises as `woken`."""
        return (await asyncio.shield(self._descriptions[0])).chain

    async def woken(self) -> list[StageDescription]:
        """What all stages are.

        Raises:
            OtherChain: they are no chain.
            StageUnavailable: one cannot be reached.
        """
        descriptions = await asyncio.gather(*self._descriptions)
        check_chain(descriptions)
        return descriptions


@asynccontextmanager
async def waking(means: Means) -> AsyncIterator[Waking]:
    """Begin to wake all stages; what does not run at the block's end is not waited for."""
    calls = [partial(means.stages.describe, stage) for stage in range(len(means.stages))]
    descriptions = [asyncio.create_task(means.patiently(call)) for call in calls]
    try:
        yield Waking(descriptions)
    finally:
        for each in descriptions:
            each.cancel()
        await asyncio.gather(*descriptions, return_exceptions=True)


async def wake(means: Means) -> list[StageDescription]:
    """Wake all stages at once, and check that they are a chain. Raises as `Waking.woken`."""
    async with waking(means) as stages:
        return await stages.woken()


@dataclass(frozen=True)
class Ahead:
    """A record on its way through the stages, what they answer, and what tells of its trace once it is under way."""

    record: str
    answers: "asyncio.Task[list[StageAnswer]]"
    trace: Carrier


@asynccontextmanager
async def sent_ahead(
    means: Means, stages: Waking, jobs: JobStore, records: ObjectStore, record: str, activations: Encoding
) -> AsyncIterator[Ahead]:
    """Send a record through the stages while they still start: each waits for its activation, or is waited for.

    What goes wrong ends the record's way, and nothing else: the driver takes it through the stages as any other.
    """

    trace: dict[str, str] = {}

    async def through() -> list[StageAnswer]:
        with beginning("ahead", job=jobs.name, record=record):
            trace.update(hand_over())
            chain = await stages.chain()
            urls = jobs.urls_of(records, record, len(means.stages))
            async with aclosing(means.take(0, chain, urls, activations)) as coming:
                return [answer async for answer in coming]

    answers = asyncio.create_task(through())
    try:
        yield Ahead(record, answers, trace)
    finally:
        answers.cancel()
        await asyncio.gather(answers, return_exceptions=True)
