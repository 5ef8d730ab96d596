"""What Ray Data takes over the embedded executor: the same records through the same stages, in turns."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from services.artifacts.store import open_store
from services.bench.pipeline_pictures import pack_synthetic
from services.bench.pipeline_runs import Runner, runner_over, running
from services.bench.pipeline_subject import PAPERS, Figures, PipelineSubject
from services.bench.rounds import Spread, ratio, turns, with_spread
from services.cli.pipeline_ray import ray_stages
from services.edge.progress import Progress
from services.pipeline.pools import under_way_on

_RECORDS = 20
_WORKERS = 2
_PER_RECORD = 100
_ROUNDS = 5


def ray(subject: PipelineSubject) -> Iterator[Figures]:
    """The time of 20 records with two workers on Ray over that in processes of this machine, both running already."""
    times = asyncio.run(_times(subject))
    for place, spread in times.items():
        yield {f"ray.time_s.{place}": spread.median}
    yield with_spread("ray_ratio", ratio(times["ray"], times["embedded"]))


async def _times(subject: PipelineSubject) -> dict[str, Spread]:
    rounds, per_record = (1, 4) if subject.quick else (_ROUNDS, _PER_RECORD)
    folders = subject.stages(PAPERS)
    scratch = subject.scratch / "ray"
    workers = {"embedded": _WORKERS, "ray": under_way_on(_WORKERS)}
    times: dict[str, list[float]] = {place: [] for place in workers}
    async with AsyncExitStack() as stack:
        runners = {
            "embedded": await stack.enter_async_context(running(folders, scratch)),
            "ray": await stack.enter_async_context(_on_ray(folders, scratch, subject.progress)),
        }
        records = runners["embedded"].store("records")
        await pack_synthetic(records, _RECORDS * per_record, per_record)
        for runner in runners.values():
            await runner.warm_up()
        for number, place in turns(workers, rounds):
            subject.progress(f"ray: {place}", number, rounds)
            times[place].append((await runners[place].run(records, workers[place])).time_s)
    return {place: Spread(tuple(each)) for place, each in times.items()}


@asynccontextmanager
async def _on_ray(folders: list[Path], scratch: Path, progress: Progress) -> AsyncIterator[Runner]:
    store = open_store(str(scratch))
    async with ray_stages(folders, store, store, _WORKERS, {}, progress) as stages:
        yield await runner_over(stages, scratch / "on-ray")
