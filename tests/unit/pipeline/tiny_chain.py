"""A chain of three tiny stages in this process, and jobs over it with a store in memory."""

import math
import uuid
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from services.artifacts.precision import Encoding
from services.artifacts.record import Picture, write_record
from services.artifacts.store import ObjectStore, open_store
from services.edge.meter import Reading
from services.edge.receipts import GIB
from services.pipeline.domain import Job, Retry, StageAnswer, StageDescription, Stages
from services.pipeline.driver import run_job
from services.pipeline.job_store import JobStore
from services.pipeline.means import JobStatus, Means
from services.pipeline.waking import wake
from services.stage.domain import RunRequest
from services.stage.shared_meter import SharedMeter
from services.stage.usecases import Stage, StageLimits
from services.zoo.manifest import InputSpec
from services.zoo.stage_manifest import StageManifest

SPEC = InputSpec((1, 2), 2, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "bilinear")
NAMES = ("one", "two", "three")
STARTED = Reading(wall_s=2.0, cpu_s=1.0, resident_bytes=GIB)
"""What each stage's process has used: all of it to start."""


def manifest(stage: int) -> StageManifest:
    return StageManifest(
        model="tiny",
        chain="c1",
        stage=stage,
        stages=len(NAMES),
        name=NAMES[stage],
        runtime="torch",
        first="a",
        last="b",
        input_shape=(2,),
        output_shape=(2,),
        working_bytes=8,
        labels=(),
        input_spec=SPEC,
    )


class Chain:
    """Three stages in this process; `before` and `after` each call may raise."""

    def __init__(self, store_url: str):
        self.computed: Counter[tuple[int, float]] = Counter()
        self.before: Callable[[int, str], None] = lambda *_: None
        self.after: Callable[[int, str], None] = lambda *_: None
        self.at_a_time = 0
        self.most_at_a_time = 0
        self.stages = [self._stage(number, store_url) for number in range(len(NAMES))]

    def _stage(self, number: int, store_url: str) -> Stage:
        def forward(values: np.ndarray[Any, np.dtype[np.float32]]) -> np.ndarray[Any, np.dtype[np.float32]]:
            self.computed[number, float(values[0, 0])] += 1
            return values + np.float32(1)

        return Stage(
            manifest(number),
            load=lambda: forward,
            read_picture=lambda content: np.array([float(content), 0], np.float32),
            open_store=open_store,
            limits=StageLimits((store_url,), 4, 64, 16, math.inf),
            meter=SharedMeter(lambda: STARTED, Reading(0.0, 0.0, 0)),
            resident_bytes=lambda: 0,
            peak_bytes=lambda: 1,
        )

    async def load(self) -> None:
        for stage in self.stages:
            await stage.load()
        self.computed.clear()

    def __len__(self) -> int:
        return len(NAMES)

    async def describe(self, stage: int) -> StageDescription:
        self.before(stage, "describe")
        found = self.stages[stage].manifest
        return StageDescription(found.model, found.chain, found.stage, found.stages, found.name, found.labels)

    async def take(
        self, first: int, chain: str, urls: Sequence[str], precision: Encoding
    ) -> AsyncGenerator[StageAnswer, None]:
        for stage, (input_url, output_url) in enumerate(pairwise(urls), first):
            yield await self.run(stage, chain, input_url, output_url, precision)

    async def run(self, stage: int, chain: str, input_url: str, output_url: str, precision: Encoding) -> StageAnswer:
        self.before(stage, output_url)
        self.at_a_time += 1
        self.most_at_a_time = max(self.most_at_a_time, self.at_a_time)
        try:
            answer = await self.stages[stage].run(RunRequest(chain, input_url, output_url, precision))
        finally:
            self.at_a_time -= 1
        self.after(stage, output_url)
        return StageAnswer(answer.outcome, answer.reused)


class Bench:
    """Records 0 to n - 1, of two pictures each, a chain, and a place for the job."""

    def __init__(self, count: int):
        self.root = open_store(f"memory://{uuid.uuid4()}")
        self.records: ObjectStore = open_store(f"{self.root.url}")
        self.chain = Chain(self.root.url)
        self.count = count
        self.statuses: list[JobStatus] = []
        self.pauses_s: list[float] = []
        self.job = Job("j", "tiny", "c1", NAMES, self.root.url, (), top_k=1)
        self.jobs = JobStore(self.root, "j")

    async def ready(self) -> "Bench":
        for n in range(self.count):
            pictures = [Picture(f"p{n}", str(10 * n + 10).encode()), Picture(f"q{n}", b"10000")]
            await self.records.write(f"{n:03}.record", b"".join(write_record(iter(pictures), 2)))
        await self.chain.load()
        await self.jobs.begin(self.job)
        return self

    def means(self, workers: int = 2, tries: int = 4, stages: Stages | None = None) -> Means:
        async def sleep(pause_s: float) -> None:
            self.pauses_s.append(pause_s)

        return Means(
            stages=stages or self.chain,
            workers=workers,
            retry=Retry(lambda: 1.0, tries),
            clock=lambda: 0.0,
            sleep=sleep,
            observe=self.statuses.append,
        )

    async def run(self, workers: int = 2, tries: int = 4, stages: Stages | None = None) -> dict[str, Any]:
        means = self.means(workers, tries, stages)
        await wake(means)
        return await run_job(means, self.job, self.jobs, self.records)

    async def check_all_done(self) -> None:
        assert len(await self.jobs.done()) == self.count
        for n in range(self.count):
            names = [line["picture"] for line in await self.jobs.predictions(f"{n:03}.record")]
            assert names == [f"p{n}", f"q{n}"]
        assert not [key for key in await self.root.keys() if "activations" in key or "failed" in key]
