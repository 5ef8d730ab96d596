"""What a driver works with, and how it calls a stage: patiently, while what failed may pass."""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeAlias, TypeVar

from services.artifacts.precision import Encoding
from services.artifacts.store import ObjectStore
from services.edge.errors import StrataError
from services.edge.receipts import Tariff
from services.pipeline.domain import Retry, StageAnswer, Stages, may_pass
from services.pipeline.job_store import JobStore
from services.pipeline.report import LAMBDA

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
    tariff: Tariff = LAMBDA


async def patiently(means: Means, call: Callable[[], Awaitable[_T]]) -> _T:
    """Make a call, and make it again while what it meets may pass."""
    failures = 0
    while True:
        try:
            return await call()
        except StrataError as error:
            failures += 1
            if not may_pass(error) or failures >= means.retry.tries:
                raise
            _log.info("again after: %s", error)
        await means.sleep(means.retry.pause_s(failures))


async def call_stage(
    means: Means, jobs: JobStore, records: ObjectStore, record: str, stage: int, chain: str, activations: Encoding
) -> StageAnswer:
    """Have a stage compute a record's activation from the one before."""
    inputs = jobs.activation_url(record, stage - 1) if stage else records.url_of(record)
    began_s = means.clock()
    answer = await means.stages.run(stage, chain, inputs, jobs.activation_url(record, stage), activations)
    return replace(answer, seconds=means.clock() - began_s)
