"""Drive a job: records through the stages, some at a time, each stage's answer kept in the store."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import aclosing, contextmanager
from dataclasses import asdict, replace
from typing import Any

from services.artifacts.precision import Encoding
from services.artifacts.store import ObjectStore, StoreUse
from services.edge.errors import ArtifactNotFound, DamagedFile, ForeignFile, OtherVersion, StrataError
from services.edge.receipts import Usage
from services.edge.tracing import beginning
from services.pipeline.domain import Job, StageAnswer, ends_the_job, may_pass
from services.pipeline.job_store import JobStore, record_keys
from services.pipeline.loss import measure_loss
from services.pipeline.means import JobStatus, Means
from services.pipeline.predictions import write_predictions
from services.pipeline.report import JobTotals, StageTotal, report
from services.pipeline.waking import Ahead

_LOST = (ArtifactNotFound, DamagedFile, ForeignFile, OtherVersion)

_log = logging.getLogger(__name__)


async def run_job(
    means: Means, job: Job, jobs: JobStore, records: ObjectStore, ahead: Ahead | None = None
) -> dict[str, Any]:
    """Run what is left of a job, and return its report.

    A record that fails for good is set aside with its error, and is tried anew by the next run; the others go on.

    Args:
        ahead: a record that is on its way already.
    Raises:
        ArtifactNotFound: there are no records.
        FailedPrecondition: what every record would meet: a store that is full or may not be written, other stages.
    """
    return await _Driver(means, job, jobs, records, ahead).run()


class _Driver:
    def __init__(self, means: Means, job: Job, jobs: JobStore, records: ObjectStore, ahead: Ahead | None):
        self._means = means
        self._job = job
        self._jobs = jobs
        self._records = records
        self._ahead = ahead
        self._totals = JobTotals({name: StageTotal() for name in job.stages})
        self._done: set[str] = set()
        self._failed: dict[str, dict[str, Any]] = {}
        self._status = JobStatus(busy=dict.fromkeys(job.stages, 0), currency=means.tariff.currency)

    async def run(self) -> dict[str, Any]:
        began_s = self._means.clock()
        keys = await self._means.patiently(lambda: record_keys(self._records))
        if not keys:
            raise ArtifactNotFound(f"{self._records.url}: no records here; make some with `strata pipeline pack`")
        done = await self._means.patiently(self._jobs.done)
        for passage in done.values():
            self._totals.add(passage)
        self._done.update(done)
        self._status.records, self._status.done = len(keys), len(self._done)
        await self._work([key for key in keys if key not in self._done])
        await self._means.patiently(self._clean)
        time_s, usage = self._means.clock() - began_s, self._driver_usage()
        loss = await self._loss([key for key in keys if key not in self._failed])
        written = report(self._totals, self._means.tariff, time_s, usage, self._failed.values(), loss)
        job = {"job": self._job.name, "model": self._job.model, "activations": self._job.activations}
        written = {**job, **written, "retries": self._status.retries}
        await self._means.patiently(lambda: self._jobs.write_report(written))
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
        urls = self._jobs.urls_of(self._records, record, len(self._job.stages))
        ahead = self._ahead if self._ahead and record == self._ahead.record else None
        trace = ahead.trace if ahead else {}  # of a record that went ahead it goes on; every other's begins
        try:
            with beginning("record", trace, job=self._job.name, record=record):
                found = await self._found_ahead(record, ahead)
                answers = await self._through_stages(urls, self._job.activations, found)
                await self._means.patiently(lambda: self._finish(record, answers, urls[-1]))
        except StrataError as error:
            if ends_the_job(error):
                raise
            await self._set_aside(record, error)
        else:
            # Apart from what makes it done: what is removed already cannot be read again.
            await self._means.patiently(lambda: self._jobs.clean(record, len(self._job.stages)))
        self._tell()

    async def _through_stages(
        self, urls: Sequence[str], precision: Encoding, answers: Sequence[StageAnswer] = ()
    ) -> list[StageAnswer]:
        """Take a record from stage to stage; an activation that is lost or damaged is computed anew.

        Args:
            urls: of the record, and of what each stage is to write.
            answers: of the first stages, where these have computed it already.
        """
        answers = list(answers)
        failures = 0
        while len(answers) < len(self._job.stages):
            try:
                await self._onwards(urls, precision, answers)
            except StrataError as error:
                stage = len(answers)
                failures += 1
                lost = stage > 0 and isinstance(error, _LOST)
                if failures >= self._means.retry.tries or not (lost or may_pass(error)):
                    raise
                _log.warning("record %s again after: %s", urls[0], error)
                self._status.retries += 1
                if lost:
                    answers.pop()
                    await self._jobs.remove_activation(urls[stage])
                await self._means.sleep(self._means.retry.pause_s(failures))
        return answers

    async def _found_ahead(self, record: str, ahead: Ahead | None) -> list[StageAnswer]:
        if ahead is None:
            return []
        try:
            return await ahead.answers
        except StrataError as error:
            _log.info("record %s from its first stage on after: %s", record, error)
            self._status.retries += 1
            return []

    async def _onwards(self, urls: Sequence[str], precision: Encoding, answers: list[StageAnswer]) -> None:
        """Take a record through the stages that have not answered; each answer is added as it comes."""
        first = len(answers)
        async with aclosing(self._means.take(first, self._job.chain, urls[first:], precision)) as coming:
            for stage in self._job.stages[first:]:
                with self._busy(stage):
                    answers.append(await anext(coming))

    async def _finish(self, record: str, answers: list[StageAnswer], url: str) -> None:
        pieces = self._jobs.store.stream(self._jobs.store.key_of(url))
        predictions = await write_predictions(pieces, url, self._job.labels, self._job.top_k)
        passage = _passage(record, self._job, answers)
        await self._jobs.finish(record, predictions, passage)
        self._totals.add(passage)
        self._done.add(record)
        self._status.done = len(self._done)

    async def _clean(self) -> None:
        """Remove what a driver left that ended, and what a stage wrote for it since, of records that are done."""
        for record in await self._jobs.under_way() & self._done:
            await self._jobs.clean(record, len(self._job.stages))

    async def _set_aside(self, record: str, error: StrataError) -> None:
        why = {"record": record, "error": type(error).__name__, "message": str(error)}
        _log.error("record %s is set aside: %s", record, error)
        self._failed[record] = why
        self._status.failed += 1
        await self._means.patiently(lambda: self._jobs.set_aside(record, why))

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
        loss = await self._means.patiently(self._jobs.loss)
        if loss is None and done:
            loss = await measure_loss(self._job, self._jobs, self._records, done[0], self._through_stages)
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
                "allocation": asdict(answer.outcome.line.allocation),
                "peak_bytes": answer.outcome.peak_bytes,
                "cold": answer.outcome.cold,
                "seconds": answer.seconds,
            }
            for name, answer in zip(job.stages, answers, strict=True)
        },
    }
