"""Drive a job: records through the stages, some at a time, each stage's answer kept in the store."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, replace
from functools import partial
from typing import Any, TypeAlias, TypeVar

from services.artifacts.precision import Encoding
from services.artifacts.store import ObjectStore, StoreUse
from services.edge.errors import ArtifactNotFound, DamagedFile, ForeignFile, OtherVersion, StrataError
from services.edge.receipts import Tariff, Usage
from services.pipeline.domain import (
    Job,
    Retry,
    StageAnswer,
    StageDescription,
    Stages,
    check_chain,
    ends_the_job,
    may_pass,
)
from services.pipeline.job_store import JobStore, record_keys
from services.pipeline.loss import measure_loss
from services.pipeline.predictions import write_predictions
from services.pipeline.report import LAMBDA, JobTotals, StageTotal, report

Sleep: TypeAlias = Callable[[float], Awaitable[None]]
_T = TypeVar("_T")
_LOST = (ArtifactNotFound, DamagedFile, ForeignFile, OtherVersion)

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


async def wake(means: Means) -> list[StageDescription]:
    """Wake all stages at once, and check that they are a chain.

    Raises:
        OtherChain: they are none.
        StageUnavailable: one cannot be reached.
    """
    calls = [partial(means.stages.describe, stage) for stage in range(len(means.stages))]
    descriptions = await asyncio.gather(*(_patiently(means, call) for call in calls))
    check_chain(descriptions)
    return descriptions


async def run_job(means: Means, job: Job, jobs: JobStore, records: ObjectStore) -> dict[str, Any]:
    """Run what is left of a job, and return its report.

    A record that fails for good is set aside with its error, and is tried anew by the next run; the others go on.

    Raises:
        ArtifactNotFound: there are no records.
        FailedPrecondition: what every record would meet: a store that is full or may not be written, other stages.
    """
    return await _Driver(means, job, jobs, records).run()


async def _patiently(means: Means, call: Callable[[], Awaitable[_T]]) -> _T:
    """Make a call, and make it again while it may pass."""
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


class _Driver:
    def __init__(self, means: Means, job: Job, jobs: JobStore, records: ObjectStore):
        self._means = means
        self._job = job
        self._jobs = jobs
        self._records = records
        self._totals = JobTotals({name: StageTotal() for name in job.stages})
        self._failed: dict[str, dict[str, Any]] = {}
        self._status = JobStatus(busy=dict.fromkeys(job.stages, 0), currency=means.tariff.currency)

    async def run(self) -> dict[str, Any]:
        began_s = self._means.clock()
        keys = await _patiently(self._means, lambda: record_keys(self._records))
        if not keys:
            raise ArtifactNotFound(f"{self._records.url}: no records here; make some with `strata pipeline pack`")
        done = await _patiently(self._means, self._jobs.done)
        for passage in done.values():
            self._totals.add(passage)
        for record in await self._jobs.under_way() & done.keys():
            await self._jobs.clean(record, len(self._job.stages))  # its driver ended in between
        self._status.records, self._status.done = len(keys), len(done)
        await self._work([key for key in keys if key not in done])
        time_s, usage = self._means.clock() - began_s, self._driver_usage()
        loss = await self._loss([key for key in keys if key not in self._failed])
        written = report(self._totals, self._means.tariff, time_s, usage, self._failed.values(), loss)
        job = {"job": self._job.name, "model": self._job.model, "activations": self._job.activations}
        written = {**job, **written, "retries": self._status.retries}
        await _patiently(self._means, lambda: self._jobs.write_report(written))
        return written

    async def _work(self, pending: Sequence[str]) -> None:
        waiting = iter(pending)

        async def worker() -> None:
            for record in waiting:  # one iterator for all: each record goes to one worker
                await self._record(record)

        self._tell()
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._means.workers, len(pending))):
                    group.create_task(worker())
        except BaseExceptionGroup as errors:
            raise errors.exceptions[0] from None

    async def _record(self, record: str) -> None:
        try:
            answers = await self._through_stages(record)
            last_url = self._jobs.activation_url(record, len(answers) - 1)
            await _patiently(self._means, lambda: self._finish(record, answers, last_url))
        except StrataError as error:
            if ends_the_job(error):
                raise
            await self._set_aside(record, error)
        self._tell()

    async def _through_stages(self, record: str) -> list[StageAnswer]:
        """Take a record from stage to stage; an activation that is lost or damaged is computed anew."""
        answers: list[StageAnswer] = []
        failures = 0
        while (stage := len(answers)) < len(self._job.stages):
            try:
                answers.append(await self._through(record, stage))
            except StrataError as error:
                failures += 1
                lost = stage > 0 and isinstance(error, _LOST)
                if failures >= self._means.retry.tries or not (lost or may_pass(error)):
                    raise
                _log.warning("record %s again after: %s", record, error)
                self._status.retries += 1
                if lost:
                    answers.pop()
                    await self._jobs.remove_activation(record, stage - 1)
                await self._means.sleep(self._means.retry.pause_s(failures))
        return answers

    async def _through(self, record: str, stage: int) -> StageAnswer:
        inputs = self._jobs.activation_url(record, stage - 1) if stage else self._records.url_of(record)
        outputs = self._jobs.activation_url(record, stage)
        began_s = self._means.clock()
        with self._busy(self._job.stages[stage]):
            answer = await self._means.stages.run(stage, self._job.chain, inputs, outputs, self._job.activations)
        return replace(answer, seconds=self._means.clock() - began_s)

    async def _finish(self, record: str, answers: list[StageAnswer], url: str) -> None:
        pieces = self._jobs.store.stream(self._jobs.store.key_of(url))
        predictions = await write_predictions(pieces, url, self._job.labels, self._job.top_k)
        passage = _passage(record, self._job, answers)
        await self._jobs.finish(record, len(answers), predictions, passage)
        self._totals.add(passage)
        self._status.done += 1

    async def _set_aside(self, record: str, error: StrataError) -> None:
        why = {"record": record, "error": type(error).__name__, "message": str(error)}
        _log.error("record %s is set aside: %s", record, error)
        self._failed[record] = why
        self._status.failed += 1
        await _patiently(self._means, lambda: self._jobs.set_aside(record, why))

    @contextmanager
    def _busy(self, stage: str) -> Iterator[None]:
        self._status.busy[stage] += 1
        self._tell()
        try:
            yield
        finally:
            self._status.busy[stage] -= 1

    def _tell(self) -> None:
        self._status.money = self._totals.money(self._means.tariff)
        self._means.observe(replace(self._status, busy=dict(self._status.busy)))

    async def _loss(self, done: Sequence[str]) -> dict[str, Any] | None:
        """What activations in fewer bits lose, measured once, on a record that is done; None for float32."""
        if self._job.activations is Encoding.FLOAT32:
            return None
        loss = await _patiently(self._means, self._jobs.loss)
        if loss is None and done:
            stages, chain = self._means.stages, self._job.chain

            def run(stage: int, inputs: str, outputs: str, precision: Encoding) -> Awaitable[StageAnswer]:
                return _patiently(self._means, lambda: stages.run(stage, chain, inputs, outputs, precision))

            loss = await measure_loss(self._job, self._jobs, self._records, done[0], run)
        return loss

    def _driver_usage(self) -> Usage:
        uses: list[StoreUse] = [self._jobs.store.use, self._records.use]
        return Usage(
            bytes_in=sum(use.bytes_read for use in uses),
            bytes_out=sum(use.bytes_written for use in uses),
            store_reads=sum(use.reads for use in uses),
            store_writes=sum(use.writes for use in uses),
        )


def _passage(record: str, job: Job, answers: Sequence[StageAnswer]) -> dict[str, Any]:
    """What a record took, as its file below `done` keeps it."""
    pictures = answers[-1].outcome.pictures
    return {
        "record": record,
        "pictures": len(pictures),
        "failed_pictures": sum(bool(picture.error) for picture in pictures),
        "stages": {
            name: {
                "usage": asdict(answer.outcome.line.usage),
                "peak_bytes": answer.outcome.peak_bytes,
                "cold": answer.outcome.cold,
                "seconds": answer.seconds,
            }
            for name, answer in zip(job.stages, answers, strict=True)
        },
    }
