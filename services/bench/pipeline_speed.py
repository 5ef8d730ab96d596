"""What cutting a model costs, and what more workers bring."""

import asyncio
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

from services.artifacts.store import ObjectStore
from services.bench.pipeline_pictures import pack_synthetic
from services.bench.pipeline_runs import Runner, running
from services.bench.pipeline_subject import PAPERS, Figures, PipelineSubject
from services.bench.rounds import Spread, ratio, turns, with_spread
from services.edge.progress import Progress

WORKERS = (1, 2, 4, 8, 16, 32, 64)
_PER_RECORD = 500
_OVERHEAD_ROUNDS = {PAPERS: 5, "resnet-50": 1, "vgg-16": 1}
_EFFICIENCY_ROUNDS = 2
_EFFICIENCY_PER_RECORD = 32


def overhead(subject: PipelineSubject) -> Iterator[Figures]:
    """CPU-seconds of four stages over those of the whole model as one, a record at a time, in turns."""
    rounds_of = {PAPERS: 1} if subject.quick else _OVERHEAD_ROUNDS
    for name, rounds in rounds_of.items():
        pictures = 32 if subject.quick else _PER_RECORD
        folders = {"stages": subject.stages(name), "whole": subject.whole(name)}
        found = asyncio.run(_cpu_s(folders, pictures, rounds, subject.scratch / f"overhead-{name}", subject.progress))
        for kind, spread in found.items():
            yield {f"cpu_s.{kind}.{name}": spread.median}
        share = ratio(found["stages"], found["whole"])
        yield with_spread("overhead" if name == PAPERS else f"overhead.{name}", share)


async def _cpu_s(
    folders: dict[str, list[Path]], pictures: int, rounds: int, scratch: Path, progress: Progress
) -> dict[str, Spread]:
    values: dict[str, list[float]] = {kind: [] for kind in folders}
    async with AsyncExitStack() as stack:
        runners: dict[str, tuple[Runner, ObjectStore]] = {}
        for kind, compiled in folders.items():
            runner = await stack.enter_async_context(running(compiled, scratch / kind))
            records = runner.store("records")
            await pack_synthetic(records, pictures, pictures)
            await runner.warm_up()
            runners[kind] = runner, records
        for number, kind in turns(folders, rounds):
            progress(f"overhead: {scratch.name}, {kind}", number, rounds)
            runner, records = runners[kind]
            values[kind].append((await runner.run(records, 1)).cpu_s)
    return {kind: Spread(tuple(each)) for kind, each in values.items()}


def efficiency(subject: PipelineSubject) -> Iterator[Figures]:
    """Pictures a second by the number of workers, beside one and two independent processes of the whole model."""
    rates = asyncio.run(_rates(subject))
    for kind, spread in rates.items():
        yield {f"pictures_per_s.{kind}": spread.median}
    gain = ratio(rates["2"], rates["1"])
    alone = ratio(rates["whole.2"], rates["whole.1"])
    found = {
        "2": ratio(gain, alone),
        **{str(each): ratio(rates[str(each)], rates["2"]) for each in WORKERS if each > 2},
    }
    for kind, spread in found.items():
        yield with_spread(f"efficiency.{kind}", spread)


async def _rates(subject: PipelineSubject) -> dict[str, Spread]:
    """The chain with so many workers, as "1" to "64"; processes of the whole model with one each, as "whole.1"."""
    rounds = 1 if subject.quick else _EFFICIENCY_ROUNDS
    scratch = subject.scratch / "efficiency"
    async with AsyncExitStack() as stack:
        chain = await stack.enter_async_context(running(subject.stages(PAPERS), scratch / "stages"))
        folders = subject.whole(PAPERS)
        wholes = [await stack.enter_async_context(running(folders, scratch / f"whole-{n}")) for n in range(2)]
        records = {runner: await _packed(runner, subject.quick) for runner in (chain, *wholes)}
        for runner in records:
            await runner.warm_up()
        values: dict[str, list[float]] = {}
        for number in range(rounds):
            for count in (1, 2):
                subject.progress(f"efficiency: {count} whole models", number, rounds)
                rans = await asyncio.gather(*(each.run(records[each], 1) for each in wholes[:count]))
                values.setdefault(f"whole.{count}", []).append(sum(ran.pictures_per_s for ran in rans))
            for workers in WORKERS:
                subject.progress(f"efficiency: {workers} workers", number, rounds)
                ran = await chain.run(records[chain], workers)
                values.setdefault(str(workers), []).append(ran.pictures_per_s)
    return {kind: Spread(tuple(each)) for kind, each in values.items()}


async def _packed(runner: Runner, quick: bool) -> ObjectStore:
    store = runner.store("records")
    per_record = 2 if quick else _EFFICIENCY_PER_RECORD
    await pack_synthetic(store, per_record * WORKERS[-1], per_record)
    return store
