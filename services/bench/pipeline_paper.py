"""What the tables and figures of papers/001 need, for its own network and for two larger ones.

The larger ones' floors are measured with small records: a stage streams a record, 16 pictures at a time, so that its
memory does not grow with the record, while its time does.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from services.bench.pipeline_calibration import calibrate
from services.bench.pipeline_memory import right_sizing
from services.bench.pipeline_pictures import pack_synthetic
from services.bench.pipeline_prediction import figure_4, figure_5
from services.bench.pipeline_runs import running
from services.bench.pipeline_subject import PAPERS, Figures, PipelineSubject
from services.edge.progress import Progress
from services.pipeline.profile import stage_points
from services.pipeline.sizing import MIB
from services.zoo.stage_manifest import StageManifest

SIZES: Mapping[str, Sequence[int]] = {
    PAPERS: (100, 250, 500, 1000),
    "resnet-50": (25, 50, 100, 250),
    "vgg-16": (25, 50, 100),
}
"""Pictures in the records of figure 3."""
LARGER = tuple(name for name in SIZES if name != PAPERS)
"""The paper's own network has the parts `simulation` and `memory`."""
FLOORS_WITH = 32
_CALIBRATED_WITH = 32


def paper(subject: PipelineSubject) -> Iterator[Figures]:
    """Figure 3 of each network; tables 1 and 2 and figures 4 and 5 of the larger ones."""
    for name, sizes in SIZES.items():
        shown = (2, 4) if subject.quick else sizes
        folders = subject.stages(name)
        scratch = subject.scratch / f"paper-{name}"
        yield of_model(name, asyncio.run(_figure_3(folders, shown, scratch / "figure-3", subject.progress)))
        if name == PAPERS:
            continue
        per_record = 4 if subject.quick else FLOORS_WITH
        for found in right_sizing(folders, per_record, 1, scratch / "memory", subject.progress):
            yield of_model(name, found)
        large = _CALIBRATED_WITH
        chain = asyncio.run(calibrate(folders, scratch / "stages", subject.progress, large))
        whole = asyncio.run(calibrate(subject.whole(name), scratch / "whole", subject.progress, large))
        yield of_model(name, {**figure_4(chain, whole), **figure_5(chain)})


def of_model(name: str, figures: Figures) -> Figures:
    """Figures of one network; those of the paper's own keep their keys."""
    return figures if name == PAPERS else {f"{key}.{name}": value for key, value in figures.items()}


def seen_by_model(name: str, figures: Figures) -> Figures:
    """The way back: a network's own figures, under the keys that the paper's network has."""
    ends = tuple(f".{each}" for each in LARGER)
    if name == PAPERS:
        return {key: value for key, value in figures.items() if not key.endswith(ends)}
    end = f".{name}"
    return {key.removesuffix(end): value for key, value in figures.items() if key.endswith(end)}


async def _figure_3(folders: Sequence[Path], sizes: Sequence[int], scratch: Path, progress: Progress) -> Figures:
    """Seconds and memory of each stage, for a record of each size, one at a time through running stages.

    Sizes ascend, since what a process has held at most only ever grows.
    """
    manifests = [StageManifest.read(folder) for folder in folders]
    found: Figures = {}
    async with running(folders, scratch) as runner:
        await runner.warm_up()
        for number, pictures in enumerate(sorted(sizes)):
            progress(f"paper: {manifests[0].model}, a record of {pictures}", number, len(sizes))
            records = runner.store(f"records-{pictures}")
            await pack_synthetic(records, pictures, pictures)
            ran = await runner.run(records, 1)
            for each in manifests:
                ((_, time_s),) = stage_points(ran.passages, each.name)
                peak_bytes = ran.passages[0]["stages"][each.name]["peak_bytes"]
                found[f"figure_3.s.{each.name}.{pictures}"] = time_s
                found[f"figure_3.mib.{each.name}.{pictures}"] = peak_bytes / MIB
    return found
