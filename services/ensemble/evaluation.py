"""Measure an ensemble on labelled pictures: accuracy of every subset, and latency against batch."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from statistics import median
from typing import TypeAlias

from services.edge.deadline import Clock, Deadline
from services.edge.errors import MemberUnavailable, StrataError
from services.edge.progress import Progress
from services.ensemble.domain import EnsembleMode, Item, MemberState
from services.ensemble.fan_out import MemberRun
from services.ensemble.served import Served
from services.ensemble.tally import Tally
from services.ensemble.usecases import Predictor

Read: TypeAlias = Callable[[Path], bytes]
"""Reads a picture's file, as it is needed: only one batch is in memory at a time."""

PARALLEL, SERIAL = "parallel", "serial"
_ROUNDS = 5


@dataclass(frozen=True)
class BatchLatency:
    """Time to the answer for one batch: medians over rounds, in ms, of each member alone and of both modes."""

    batch: int
    members_ms: dict[str, float]
    parallel_ms: float
    serial_ms: float


async def measure_accuracy(
    predictor: Predictor,
    served: Served,
    pictures: Sequence[tuple[Path, int]],
    batch: int,
    read: Read,
    progress: Progress,
) -> Tally:
    """Ask every member for every picture.

    Args:
        progress: counts pictures.
    Raises:
        NotAPicture, PictureTooLarge: names the file.
        MemberUnavailable: a member did not answer; accuracies need all of them.
    """
    tally = Tally(served.ensemble)
    for start in range(0, len(pictures), batch):
        paths, truth = zip(*pictures[start : start + batch], strict=True)
        runs = await _ask_all(predictor, served, paths, EnsembleMode.PARALLEL, read)
        tally.add({run.model: run.scores for run in runs}, truth)
        progress("accuracy", start + len(paths), len(pictures))
    return tally


async def measure_latency(
    predictor: Predictor,
    served: Served,
    pictures: Sequence[Path],
    largest: int,
    read: Read,
    clock: Clock,
    progress: Progress,
) -> list[BatchLatency]:
    """Time batches of 1, 2, 4 ... `largest`, every way in turn in each of five rounds; pictures repeat if too few.

    Args:
        progress: counts batches timed.
    """
    subjects = _subjects(served)
    timed = count(1)
    total = _ROUNDS * len(batches(largest)) * len(subjects)
    measured = []
    for batch in batches(largest):
        paths = [pictures[n % len(pictures)] for n in range(batch)]
        times_ms: dict[str, list[float]] = {name: [] for name in subjects}
        for _ in range(_ROUNDS):
            for name, (subject, mode) in subjects.items():
                began_s = clock()
                await _ask_all(predictor, subject, paths, mode, read)
                times_ms[name].append((clock() - began_s) * 1e3)
                progress("latency", next(timed), total)
        medians = {name: median(each) for name, each in times_ms.items()}
        members = {model: medians[model] for model in served.ensemble.models}
        measured.append(BatchLatency(batch, members, medians[PARALLEL], medians[SERIAL]))
    return measured


def batches(largest: int) -> list[int]:
    """List the batches that are timed: powers of two below `largest`, and `largest`."""
    return [*_powers_below(largest), largest]


def _powers_below(largest: int) -> Iterator[int]:
    batch = 1
    while batch < largest:
        yield batch
        batch *= 2


def _subjects(served: Served) -> dict[str, tuple[Served, EnsembleMode]]:
    ensemble = served.ensemble
    alone = {
        member.model: (replace(served, ensemble=replace(ensemble, members=(member,))), EnsembleMode.PARALLEL)
        for member in ensemble.members
    }
    return {**alone, PARALLEL: (served, EnsembleMode.PARALLEL), SERIAL: (served, EnsembleMode.SERIAL)}


async def _ask_all(
    predictor: Predictor, served: Served, paths: Sequence[Path], mode: EnsembleMode, read: Read
) -> list[MemberRun]:
    try:
        runs = await predictor.ask(served, [Item(read(path)) for path in paths], mode, Deadline())
    except StrataError as error:
        raise type(error)(f"{error} (pictures {paths[0]} to {paths[-1]})") from error
    for run in runs:
        if run.state is not MemberState.ANSWERED:
            raise MemberUnavailable(f"model '{run.model}' did not answer: {run.error or 'no time was left'}")
    return runs
