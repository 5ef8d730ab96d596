"""Jobs on this machine, for measuring: compiled stages as processes, synthetic records, the driver that users run."""

import asyncio
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

from services.artifacts.store import ObjectStore, open_store
from services.bench.pipeline_pictures import pack_synthetic
from services.edge.cpu_share import thread_count
from services.local.stages import local_stages
from services.pipeline.client import StageClient
from services.pipeline.domain import Retry, StageDescription, Stages, job_of
from services.pipeline.driver import run_job
from services.pipeline.job_store import JobStore
from services.pipeline.means import Means
from services.pipeline.waking import wake

_CALL_TIMEOUT_S = 3600.0


@dataclass(frozen=True)
class Ran:
    """A job that is done: its report, and what each record took."""

    report: dict[str, Any]
    passages: list[dict[str, Any]]

    @property
    def time_s(self) -> float:
        return float(self.report["time_s"])

    @property
    def pictures_per_s(self) -> float:
        return float(self.report["pictures"]) / self.time_s

    @property
    def cpu_s(self) -> float:
        """Of all stages."""
        return sum(float(stage["cpu_seconds"]) for stage in self.report["stages"])


class Runner:
    """Warm stages of one chain that jobs are run through."""

    def __init__(self, stages: Stages, descriptions: Sequence[StageDescription], folder: Path):
        self._stages = stages
        self._descriptions = descriptions
        self._folder = folder
        self._numbers = count()

    def store(self, name: str) -> ObjectStore:
        """A store that the stages may use."""
        return open_store(str(self._folder / name), create=True)

    async def warm_up(self) -> None:
        """Take a record through every thread of every stage: libraries are imported at the first picture."""
        records = self.store("warm-up")
        await pack_synthetic(records, 4 * thread_count(), 2)
        await self.run(records, 2 * thread_count())

    async def run(self, records: ObjectStore, workers: int) -> Ran:
        """Run a job of its own over records. Raises StrataError: it did not end well."""
        jobs = JobStore(self.store("answers"), f"job-{next(self._numbers)}")
        job = job_of(self._descriptions, jobs.name, records.url)
        means = Means(self._stages, workers, Retry(random.random, tries=1), time.monotonic, asyncio.sleep)
        await jobs.begin(job)
        report = await run_job(means, job, jobs, records)
        assert not report["failed_records"], report["failed_records"]
        return Ran(report, list((await jobs.done()).values()))


@asynccontextmanager
async def running(folders: Sequence[Path], scratch: Path) -> AsyncIterator[Runner]:
    """Start compiled stages, as `strata pipeline run` does."""
    scratch.mkdir(parents=True, exist_ok=True)
    url = open_store(str(scratch)).url
    named, logs = {each.name: each for each in folders}, scratch / "logs"
    async with local_stages(named, [url], logs, 2 * _CALL_TIMEOUT_S) as supervisor:
        client = StageClient([partial(supervisor.channel, folder.name) for folder in folders], _CALL_TIMEOUT_S)
        yield await runner_over(client, scratch)


async def runner_over(stages: Stages, folder: Path) -> Runner:
    """Wake stages, wherever they are, that may use the folder."""
    return Runner(stages, await wake(Means(stages, 1, Retry(random.random), time.monotonic, asyncio.sleep)), folder)
