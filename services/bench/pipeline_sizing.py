"""The memory floor of each stage of a chain, measured: a process in a cgroup of its own, a whole record through it.

Every trial fetches its stage from a store, as a pod does: what lies in the page cache from elsewhere is not counted.
"""

import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from services.artifacts.activation import read_activation
from services.artifacts.store import ObjectStore, open_store
from services.bench.pipeline_pictures import pack_synthetic
from services.edge.errors import DeadlineExceeded, FailedPrecondition, Unavailable
from services.edge.progress import Progress
from services.local.memory_group import memory_group
from services.local.process import start_service
from services.pipeline.client import open_stages
from services.pipeline.sizing import MIB, STEP_BYTES, find_floor
from services.stage.publishing import publish
from services.zoo.stage_manifest import StageManifest

_LONGEST_S = 900.0
_PATIENCE = 3
"""A stage that reads its weights again and again from the disk lives, and is of no use: so many times as long."""
_SPARE_S = 10.0


@dataclass(frozen=True)
class Sizing:
    """How floors are looked for.

    Attributes:
        per_record: pictures of the record that a trial takes through a stage.
        step_bytes: floors are whole steps.
        records: that a trial takes, one after the other; the second finds what the first has left in memory.
    """

    per_record: int
    step_bytes: int = STEP_BYTES
    records: int = 2


@dataclass(frozen=True)
class StageSize:
    """What a stage needs.

    Attributes:
        floor_bytes: the smallest limit that records get through with, in whole micro-batches.
        peak_bytes: the most it holds, shared libraries included, where nothing limits it.
        oom_kills: trials that the kernel ended.
    """

    stage: str
    floor_bytes: int
    peak_bytes: int
    trials: int
    oom_kills: int


@dataclass(frozen=True)
class Passed:
    """A record's passage through one stage, and how it was cut into micro-batches."""

    started_s: float
    time_s: float
    peak_bytes: int
    micro_batches: tuple[int, ...]


async def size_stages(
    folders: Sequence[Path], sizing: Sizing, scratch: Path, progress: Progress
) -> tuple[StageSize, ...]:
    """Measure the floor of each compiled stage.

    Raises:
        Unsupported: memory cannot be limited here.
        MemoryTooSmall: a stage does not get through a record with four times what it holds by itself.
    """
    with memory_group(MIB):
        pass  # says at once whether memory can be limited here
    trials = await Trials.begin(folders, sizing.per_record, scratch)
    return tuple([await _size(trials, stage, sizing, progress) for stage in range(len(folders))])


class Trials:
    """One record and the stages of a chain; each stage's input is there once the stage before was run unlimited."""

    def __init__(self, manifests: Sequence[StageManifest], store: ObjectStore, logs: Path):
        self.manifests = manifests
        self.oom_kills = 0
        self._store = store
        self._logs = logs

    @classmethod
    async def begin(cls, folders: Sequence[Path], per_record: int, scratch: Path) -> "Trials":
        """Publish the stages, and write a record."""
        store = open_store(str(scratch), create=True)
        await publish(folders, open_store(str(scratch / "published"), create=True))
        await pack_synthetic(store, per_record, per_record)
        return cls([StageManifest.read(folder) for folder in folders], store, scratch / "logs")

    async def run(
        self, stage: int, limit_bytes: int | None = None, longest_s: float = _LONGEST_S, times: int = 1
    ) -> Passed:
        """Start a stage, and take the record through it so many times; the last one's time counts.

        Raises:
            Unavailable, DeadlineExceeded, FailedPrecondition: it did not start, ended, took too long, or says that
                its memory is too small.
        """
        inputs = f"activation-{stage - 1}" if stage else "000000.record"
        outputs = f"activation-{stage}" if limit_bytes is None else "trial"
        async with AsyncExitStack() as stack:
            group = stack.enter_context(memory_group(limit_bytes)) if limit_bytes is not None else None
            began_s = time.monotonic()
            try:
                child = await start_service(
                    "services.stage",
                    self.manifests[stage].name,
                    self._settings(stage),
                    self._logs / f"{stage}.log",
                    longest_s,
                    group.wrapper if group else (),
                )
                stack.push_async_callback(child.stop, _SPARE_S)
                client = await stack.enter_async_context(open_stages([(child.address, "")], longest_s))
                started_s = time.monotonic() - began_s
                for _ in range(times):
                    await self._store.remove([outputs])  # else it would be found done
                    began_s = time.monotonic()
                    answer = await client.run(0, "", self._store.url_of(inputs), self._store.url_of(outputs))
                    time_s = time.monotonic() - began_s
            finally:
                self.oom_kills += group.oom_kills() if group else 0
        return Passed(started_s, time_s, answer.outcome.peak_bytes, await self._micro_batches(outputs))

    def _settings(self, stage: int) -> dict[str, str]:
        return {
            "STAGE_COMPILED": f"{self._store.url}/published/{stage}",
            "STAGE_STORES": self._store.url,
            "STAGE_THREADS": "1",
        }

    async def _micro_batches(self, key: str) -> tuple[int, ...]:
        parts = read_activation(self._store.stream(key), key)
        return tuple([len(part) async for part in parts if isinstance(part, np.ndarray)])


async def _size(trials: Trials, stage: int, sizing: Sizing, progress: Progress) -> StageSize:
    name = trials.manifests[stage].name
    progress(f"stage {name} without a limit", stage, len(trials.manifests))
    free = await trials.run(stage)
    killed_before = trials.oom_kills

    async def survives(limit_bytes: int) -> bool:
        progress(f"stage {name} with {limit_bytes // MIB} MiB", stage, len(trials.manifests))
        try:
            longest_s = _SPARE_S + _PATIENCE * max(free.time_s, free.started_s)
            passed = await trials.run(stage, limit_bytes, longest_s, times=sizing.records)
        except (Unavailable, DeadlineExceeded, FailedPrecondition):
            return False
        return passed.micro_batches == free.micro_batches

    floor = await find_floor(survives, free.peak_bytes, f"stage {name}", sizing.step_bytes)
    return StageSize(name, floor.size_bytes, free.peak_bytes, floor.trials, trials.oom_kills - killed_before)
