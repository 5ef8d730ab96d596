"""The memory floor of each stage, and what right-sizing saves: GB-seconds and time, measured under real limits."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path

from services.bench.pipeline_sizing import Sizing, StageSize, Trials, size_stages
from services.bench.pipeline_subject import PAPERS, Figures, PipelineSubject
from services.bench.rounds import Spread, ratio, turns, with_spread
from services.edge.progress import Progress
from services.edge.receipts import GIB
from services.pipeline.sizing import MIB, with_spare

PER_RECORD = (500, 1000)
"""Those of the paper's tables; the ratios are of the first."""
_MEM_MAX_BYTES = 3008 * MIB
_ROUNDS = {500: 3, 1000: 1}
_SECOND = 2
"""The first record of a process meets libraries that are imported only then."""


def memory(subject: PipelineSubject) -> Iterator[Figures]:
    """What right-sizing the paper's network saves, by record size; held to the bars for records of 500."""
    folders = subject.stages(PAPERS, "auto")
    for per_record in (40,) if subject.quick else PER_RECORD:
        scratch = subject.scratch / f"memory-{per_record}"
        held = per_record == PER_RECORD[0] or subject.quick
        for found in right_sizing(folders, Sizing(per_record), _ROUNDS.get(per_record, 1), scratch, subject.progress):
            yield {key: value for key, value in found.items() if held or not key.startswith("gbs_ratio")}


def right_sizing(
    folders: Sequence[Path], sizing: Sizing, rounds: int, scratch: Path, progress: Progress
) -> Iterator[Figures]:
    """Floors of compiled stages; the records' GB-seconds and time with a tenth more, with one size for all, memMax.

    Raises:
        Unsupported: memory cannot be limited here.
        MemoryTooSmall: a stage does not get through a record with four times what it holds by itself.
    """
    per_record = sizing.per_record
    sizes = asyncio.run(size_stages(folders, sizing, scratch / "size", progress))
    for each in sizes:
        yield {f"floor_mib.{each.stage}.{per_record}": each.floor_bytes / MIB}
        yield {f"peak_mib.{each.stage}.{per_record}": each.peak_bytes / MIB}
    yield {f"oom_kills.{per_record}": sum(each.oom_kills for each in sizes)}
    found = asyncio.run(_passages(folders, per_record, sizes, rounds, scratch / "run", progress))
    for kind, (time_s, gb_seconds) in found.items():
        yield {f"chain_s.{kind}.{per_record}": time_s.median, f"gb_s.{kind}.{per_record}": gb_seconds.median}
    yield with_spread("gbs_ratio", ratio(found["floors"][1], found["single"][1]))
    yield with_spread("gbs_ratio.time", ratio(found["floors"][0], found["single"][0]))


async def _passages(
    folders: Sequence[Path],
    per_record: int,
    sizes: Sequence[StageSize],
    rounds: int,
    scratch: Path,
    progress: Progress,
) -> dict[str, tuple[Spread, Spread]]:
    """Take a record through the chain, stage by stage, under each kind of limits in turns: seconds and GiB·s."""
    single = max(each.floor_bytes for each in sizes)
    limits = {
        "floors": [with_spare(each.floor_bytes) for each in sizes],
        "single": [with_spare(single)] * len(sizes),
        "mem_max": [_MEM_MAX_BYTES] * len(sizes),
    }
    trials = await Trials.begin(folders, per_record, scratch)
    for stage in range(len(sizes)):
        await trials.run(stage)  # leaves the input of the next
    times: dict[str, list[float]] = {kind: [] for kind in limits}
    gb_seconds: dict[str, list[float]] = {kind: [] for kind in limits}
    for number, kind in turns(limits, rounds):
        progress(f"memory: records of {per_record}, {kind}", number, rounds)
        passed = [await trials.run(stage, limit, times=_SECOND) for stage, limit in enumerate(limits[kind])]
        times[kind].append(sum(each.time_s for each in passed))
        parts = zip(limits[kind], passed, strict=True)
        gb_seconds[kind].append(sum(limit / GIB * each.time_s for limit, each in parts))
    return {kind: (Spread(tuple(times[kind])), Spread(tuple(gb_seconds[kind]))) for kind in limits}
