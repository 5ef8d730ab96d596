"""The profile of a chain, measured on this machine: starts, two sizes of records, one worker and one for each CPU."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.artifacts.store import ObjectStore
from services.bench.pipeline_pictures import pack_synthetic
from services.bench.pipeline_runs import Ran, Runner, running
from services.bench.pipeline_sizing import Trials
from services.edge.cpu_share import thread_count
from services.edge.progress import Progress
from services.edge.receipts import AWS_LAMBDA
from services.pipeline.profile import ChainProfile, StageProfile, bytes_a_picture, fit_line, stage_points
from services.pipeline.simulation import Batch, Place, simulate
from services.zoo.stage_manifest import StageManifest

_LARGEST = 256
_LARGE_S = 2.0


@dataclass(frozen=True)
class Samples:
    """What a chain is measured with.

    Attributes:
        small, large: pictures of the two sizes of records; a `large` of 0 becomes what takes about two seconds.
        records: of each size.
    """

    small: int = 16
    large: int = 0
    records: int = 3


ITS_OWN = Samples()
"""What suits any chain, by how fast it is."""


async def calibrate(
    folders: Sequence[Path], scratch: Path, progress: Progress, samples: Samples = ITS_OWN
) -> ChainProfile:
    """Measure a chain of compiled stages; takes some ten seconds for a small model, a minute for a large one."""
    manifests = [StageManifest.read(folder) for folder in folders]
    progress(f"{manifests[0].model}: starting each stage by itself")
    trials = await Trials.begin(folders, samples.small, scratch / "starts")
    alone = [await trials.run(stage) for stage in range(len(folders))]
    async with running(folders, scratch / "runs") as runner:
        progress(f"{manifests[0].model}: records of two sizes")
        large = samples.large or _large(samples.small, [each.time_s for each in alone])
        cpus = thread_count()
        mixed = await _records(runner, "mixed", [samples.small, large] * samples.records)
        equal = await _records(runner, "equal", [large] * (2 * cpus))
        await runner.warm_up()
        one = await runner.run(mixed, 1)
        all_busy = await runner.run(equal, cpus)
    stages = tuple(
        _stage_profile(one, manifest, passed.started_s, passed.time_s, samples.small)
        for manifest, passed in zip(manifests, alone, strict=True)
    )
    at_stages_s = sum(part["seconds"] for passage in one.passages for part in passage["stages"].values())
    profile = ChainProfile(
        model=manifests[0].model,
        chain=manifests[0].chain,
        runtime=", ".join(dict.fromkeys(each.runtime for each in manifests)),
        layers=tuple(each.last for each in manifests[:-1]),
        stages=stages,
        driver_s=max(0.0, (one.time_s - at_stages_s) / len(one.passages)),
        slowdown=1.0,
        cpus=cpus,
        largest=large,
    )
    return _with_slowdown(profile, all_busy, Batch(2 * cpus * large, large, cpus))


def _large(small: int, times_s: Sequence[float]) -> int:
    """Pictures of a record that takes about two seconds, from what `small` of them took in processes just started."""
    return int(min(_LARGEST, max(3 * small, small * _LARGE_S / sum(times_s))))


async def _records(runner: Runner, name: str, sizes: Sequence[int]) -> ObjectStore:
    store = runner.store(name)
    for number, pictures in enumerate(sizes):
        await pack_synthetic(store, pictures, pictures, first=number)
    return store


def _stage_profile(one: Ran, manifest: StageManifest, started_s: float, first_s: float, small: int) -> StageProfile:
    record_s, picture_s = fit_line(stage_points(one.passages, manifest.name))
    peaks = [passage["stages"][manifest.name]["peak_bytes"] for passage in one.passages]
    return StageProfile(
        name=manifest.name,
        record_s=record_s,
        picture_s=picture_s,
        start_s=started_s,
        first_s=max(0.0, first_s - record_s - small * picture_s),
        memory_bytes=max(peaks),
        input_bytes=bytes_a_picture(one.passages, manifest.name, "bytes_in"),
        output_bytes=bytes_a_picture(one.passages, manifest.name, "bytes_out"),
    )


def _with_slowdown(profile: ChainProfile, all_busy: Ran, batch: Batch) -> ChainProfile:
    """Say how much longer computing takes than it would if CPUs shared nothing."""
    expected = simulate(profile, batch, Place(profile.cpus), AWS_LAMBDA)
    return replace(profile, slowdown=max(1.0, all_busy.time_s / expected.time_s))
