"""What the tables and figures of papers/001 need, for its own network and for two larger ones.

The dearer a picture, the fewer of them are measured: a stage streams a record, 16 pictures at a time, so that its
memory does not grow with the record and its time grows in proportion. The notes say how many there were.
"""

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from services.bench.pipeline_calibration import ITS_OWN, Samples, calibrate
from services.bench.pipeline_memory import right_sizing
from services.bench.pipeline_pictures import pack_synthetic
from services.bench.pipeline_prediction import figure_4, figure_5
from services.bench.pipeline_runs import running
from services.bench.pipeline_sizing import Sizing
from services.bench.pipeline_subject import PAPERS, Figures, PipelineSubject
from services.edge.progress import Progress
from services.pipeline.profile import ChainProfile, stage_points
from services.pipeline.sizing import MIB
from services.zoo.stage_manifest import StageManifest


@dataclass(frozen=True)
class Effort:
    """How many pictures of one network are measured.

    Attributes:
        sizes: pictures in the records of figure 3.
        floors: how the floors of table 1 are found; None where the part `memory` finds them, and the part
            `simulation` what figures 4 and 5 need.
        samples: what figures 4 and 5 are simulated from.
    """

    sizes: Sequence[int]
    floors: Sizing | None = None
    samples: Samples = ITS_OWN


EFFORTS: Mapping[str, Effort] = {
    PAPERS: Effort((100, 250, 500, 1000)),
    "resnet-50": Effort((25, 50, 100), Sizing(32, 32 * MIB, records=1), Samples(16, 32, records=2)),
    "vgg-16": Effort((16, 32, 48), Sizing(24, 32 * MIB, records=1), Samples(8, 16, records=2)),
}
LARGER = tuple(name for name, effort in EFFORTS.items() if effort.floors)
"""The paper's own network has the parts `simulation` and `memory`."""
_QUICK: Mapping[str, Effort] = {
    PAPERS: Effort((2, 4)),
    "resnet-50": Effort((2, 4), Sizing(4, 128 * MIB, records=1), Samples(2, 4, records=1)),
}


def paper(subject: PipelineSubject) -> Iterator[Figures]:
    """Figure 3 of each network; tables 1 and 2 and figures 4 and 5 of the larger ones."""
    efforts = _QUICK if subject.quick else EFFORTS
    steps = PaperSteps(sum(4 if effort.floors else 1 for effort in efforts.values()), subject.progress)
    for name, effort in efforts.items():
        here = replace(subject, scratch=subject.scratch / f"paper-{name}", progress=steps.progress(name))
        for found in _of_one(here, name, effort, steps.begin):
            yield of_model(name, found)


def _of_one(subject: PipelineSubject, name: str, effort: Effort, begin: Callable[[], None]) -> Iterator[Figures]:
    """Measure one network; `begin` counts what is measured of it."""
    begin()
    folders, scratch, progress = subject.stages(name), subject.scratch, subject.progress
    yield asyncio.run(_figure_3(folders, effort.sizes, scratch / "figure-3", progress))
    if effort.floors is None:
        return
    begin()
    yield from right_sizing(folders, effort.floors, 1, scratch / "memory", progress)
    profiles: list[ChainProfile] = []
    for kind, compiled in (("stages", folders), ("whole", subject.whole(name))):
        begin()
        profiles.append(asyncio.run(calibrate(compiled, scratch / kind, progress, effort.samples)))
    chain, whole = profiles
    yield {**figure_4(chain, whole), **figure_5(chain)}


class PaperSteps:
    """How far the part is: what is measured of all networks, counted."""

    def __init__(self, total: int, progress: Progress):
        self._total = total
        self._begun = 0
        self._progress = progress

    def begin(self) -> None:
        """Begin another step."""
        self._begun += 1

    def progress(self, name: str) -> Progress:
        """What says of a network's work which of all steps it belongs to."""

        def tell(step: str, done: int = 0, total: int = 0, /) -> None:  # noqa: ARG001  the part's own count is shown
            left = self._total - self._begun
            self._progress(f"paper: {name}, {step}; {left} more to come", self._begun - 1, self._total)

        return tell


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
        for pictures in sorted(sizes):
            progress(f"a record of {pictures}")
            records = runner.store(f"records-{pictures}")
            await pack_synthetic(records, pictures, pictures)
            ran = await runner.run(records, 1)
            for each in manifests:
                ((_, time_s),) = stage_points(ran.passages, each.name)
                peak_bytes = ran.passages[0]["stages"][each.name]["peak_bytes"]
                found[f"figure_3.s.{each.name}.{pictures}"] = time_s
                found[f"figure_3.mib.{each.name}.{pictures}"] = peak_bytes / MIB
    return found
