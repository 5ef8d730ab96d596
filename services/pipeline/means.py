"""What a driver works with, and how it calls: patiently, while what failed may pass."""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from services.artifacts.precision import Encoding
from services.edge.errors import StrataError
from services.edge.receipts import AWS_LAMBDA, Tariff
from services.pipeline.domain import Retry, StageAnswer, Stages, may_pass

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
_T = TypeVar("_T")

_log = logging.getLogger(__name__)


@dataclass
class JobStatus:
    """Where a job is.

    Attributes:
        busy: records that are at each stage, by its name.
        retries: calls that were made again.
    """

    records: int = 0
    done: int = 0
    failed: int = 0
    busy: dict[str, int] = field(default_factory=dict)
    money: float = 0.0
    currency: str = ""
    retries: int = 0


Observe: TypeAlias = Callable[[JobStatus], None]


@dataclass(frozen=True)
class Means:
    """What a driver works with.

    Attributes:
        workers: records under way at a time.
        observe: called whenever the status changes.
        clock: in seconds, from any moment.
    """

    stages: Stages
    workers: int
    retry: Retry
    clock: Callable[[], float]
    sleep: Sleep
    observe: Observe = lambda _: None
    tariff: Tariff = AWS_LAMBDA

    async def patiently(self, call: Callable[[], Awaitable[_T]]) -> _T:
        """Make a call, and make it again while it may pass."""
        failures = 0
        while True:
            try:
                return await call()
            except StrataError as error:
                failures += 1
                if not may_pass(error) or failures >= self.retry.tries:
                    raise
                _log.info("again after: %s", error)
            await self.sleep(self.retry.pause_s(failures))

    async def take(
        self, first: int, chain: str, urls: Sequence[str], precision: Encoding
    ) -> AsyncGenerator[StageAnswer, None]:
        """Take a record through the stages, as `Stages.take`, and say of each how long the record was with it."""
        began_s = self.clock()
        async with aclosing(self.stages.take(first, chain, urls, precision)) as coming:
            async for answer in coming:
                yield replace(answer, seconds=answer.seconds or self.clock() - began_s)
                began_s = self.clock()
