"""`strata ensemble evaluate`: measure, show, and write the table that deadlines use."""

import asyncio
import json
import os
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Table

from services.cli.local_service import local_ensembles
from services.cli.shipped import ensemble_file
from services.cli.steps import showing_progress
from services.edge.deadline import Deadline
from services.edge.errors import ArtifactNotFound, BatchTooLarge, InvalidDeclaration
from services.edge.whole_files import check_writable
from services.ensemble.accuracy import AccuracyFile
from services.ensemble.accuracy_file import write_accuracy
from services.ensemble.domain import EnsembleMode, Item
from services.ensemble.ensemble_file import read_ensemble_file
from services.ensemble.evaluation import BatchLatency, measure_accuracy, measure_latency
from services.ensemble.labelled import labelled_pictures
from services.ensemble.settings import Settings
from services.local.running import state_folder
from services.zoo.picture_files import read_picture_file

_BATCH = 64
_IDLE_S = 3600.0


@dataclass(frozen=True)
class Evaluation:
    """What was measured, and how long the pictures took."""

    accuracy: AccuracyFile
    latencies: list[BatchLatency]
    seconds: float


def evaluate_folder(folder: Path, labels: Path | None, batch: int, ensemble: str, write: bool, as_json: bool) -> None:
    """Evaluate, print, and, if asked, write the table and the plot beside the ensemble's file."""
    if ensemble and not Path(ensemble).is_file():
        raise InvalidDeclaration(
            f"{ensemble}: no such ensemble file; name the one to measure with --ensemble FILE.yaml"
        )
    path = ensemble_file(ensemble)
    if not folder.is_dir():
        raise ArtifactNotFound(f"{folder}: no such folder of pictures")
    table_path = read_ensemble_file(path).accuracy_path or path.with_suffix(".accuracy.json")
    _check_batch(batch, path)
    if write:
        check_writable(table_path)
    # As soon as it is measured: what the latency's part meets later does not cost it.
    keep = partial(write_accuracy, table_path) if write else lambda _: None
    evaluation = asyncio.run(_evaluate(folder, labels, batch, path, keep))
    if write:
        _plot(evaluation, table_path.with_suffix(".png"))
    if as_json:
        latencies = [asdict(each) for each in evaluation.latencies]
        said = {**evaluation.accuracy.model_dump(mode="json"), "latency": latencies, "seconds": evaluation.seconds}
        typer.echo(json.dumps(said, indent=1))
        return
    console = Console()
    console.print(_accuracy_table(evaluation.accuracy), _latency_table(evaluation.latencies), highlight=False)
    gain, n = evaluation.accuracy.gain, evaluation.accuracy.pictures
    console.print(
        f"The ensemble is right {_points(gain.value)} points more often than {gain.over}, "
        f"95 % interval {_points(gain.low)} to {_points(gain.high)}. "
        f"{n} pictures in {evaluation.seconds:.1f} s, {n / evaluation.seconds:.0f} a second.",
        highlight=False,
    )
    if write:
        console.print(f"Wrote {table_path} and {table_path.with_suffix('.png')}", highlight=False, markup=False)


def _check_batch(batch: int, path: Path) -> None:
    most = Settings(files=(path,)).max_pictures
    if batch > most:
        raise BatchTooLarge(f"--batch {batch}: one request may have {most} pictures")


async def _evaluate(
    folder: Path, labels: Path | None, batch: int, path: Path, keep: Callable[[AccuracyFile], None]
) -> Evaluation:
    console = Console(stderr=True)
    with showing_progress("starting", console) as progress:
        async with local_ensembles([path], state_folder(os.environ), _IDLE_S, progress, accuracies=False) as local:
            served = next(iter(local.served.values()))
            pairs = labelled_pictures(folder, served.labels, labels)
            paths = [picture for picture, _ in pairs]
            # The models wake up here, before anything is timed.
            await local.predictor.ask(served, [Item(paths[0].read_bytes())], EnsembleMode.PARALLEL, Deadline())
            began_s = time.monotonic()
            tally = await measure_accuracy(local.predictor, served, pairs, _BATCH, read_picture_file, progress)
            seconds = time.monotonic() - began_s
            accuracy = tally.file()
            keep(accuracy)
            latencies = await measure_latency(
                local.predictor, served, paths, batch, read_picture_file, time.monotonic, progress
            )
            return Evaluation(accuracy, latencies, seconds)


def _accuracy_table(accuracy: AccuracyFile) -> Table:
    table = Table("models", "accuracy", "95 % interval", title=f"{accuracy.ensemble}: {accuracy.pictures} pictures")
    for row in accuracy.subsets:
        whole = len(row.models) == len(accuracy.weights)
        interval = f"{row.low:.2%} to {row.high:.2%}"
        table.add_row(" + ".join(row.models), f"{row.value:.2%}", interval, style="bold" if whole else None)
    return table


def _latency_table(latencies: Sequence[BatchLatency]) -> Table:
    models = list(latencies[0].members_ms)
    table = Table(title="median ms to the answer, by batch")
    for column in ("batch", *models, "parallel", "serial", "serial / parallel"):
        table.add_column(column, justify="right", overflow="fold")
    for each in latencies:
        alone = [f"{each.members_ms[model]:.1f}" for model in models]
        ratio = f"{each.serial_ms / each.parallel_ms:.2f}"
        table.add_row(str(each.batch), *alone, f"{each.parallel_ms:.1f}", f"{each.serial_ms:.1f}", ratio)
    return table


def _plot(evaluation: Evaluation, path: Path) -> None:
    # Imported here: only a written evaluation draws.
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    left, right = figure.subplots(1, 2)
    rows = evaluation.accuracy.subsets
    values = [100 * row.value for row in rows]
    errors = [[100 * (row.value - row.low) for row in rows], [100 * (row.high - row.value) for row in rows]]
    left.errorbar(values, range(len(rows)), xerr=errors, fmt="o", capsize=3, color="tab:blue")
    left.set_yticks(range(len(rows)), [" +\n".join(row.models) for row in rows], fontsize=7)
    left.set_xlabel("accuracy, %, with 95 % intervals")
    left.set_title(f"{evaluation.accuracy.ensemble}: {evaluation.accuracy.pictures} pictures")
    batches = [each.batch for each in evaluation.latencies]
    for model in evaluation.latencies[0].members_ms:
        right.plot(batches, [each.members_ms[model] for each in evaluation.latencies], "--", marker=".", label=model)
    right.plot(batches, [each.parallel_ms for each in evaluation.latencies], "o-", label="ensemble, parallel")
    right.plot(batches, [each.serial_ms for each in evaluation.latencies], "s-", label="ensemble, serial")
    right.set(xscale="log", yscale="log", xlabel="batch", ylabel="median ms to the answer", title="latency")
    right.legend(fontsize=7)
    figure.savefig(path, dpi=120)


def _points(fraction: float) -> str:
    return f"{100 * fraction:+.2f}"
