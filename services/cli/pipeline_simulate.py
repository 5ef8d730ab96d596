"""`strata pipeline simulate`: what a job would come to with 1 to 1024 workers, somewhere else than here."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import typer
from rich.console import Console
from rich.table import Column, Table

from services.cli.pipeline_model import ChainWanted, choose_cutting, find_model
from services.cli.pipeline_plots import plot_workers
from services.cli.pipeline_profiles import profile_of
from services.cli.plotting import check_drawing
from services.cli.steps import showing_progress
from services.edge.errors import InvalidInput
from services.edge.receipts import AWS_LAMBDA
from services.pipeline.simulation import Batch, Expectation, Place, Store, simulate


@dataclass(frozen=True)
class SimulationWanted(ChainWanted):
    """What the command was asked for; `cpus` None is a place where each record has an instance of its own."""

    pictures: int
    per_record: int
    workers: str
    cpus: int | None
    store: Store
    price_gb_s: float
    anew: bool
    plot: Path | None


def simulate_model(wanted: SimulationWanted, as_json: bool) -> None:
    """Measure the chain where it was not measured yet, simulate, and print.

    Raises:
        InvalidInput: numbers of workers, or a drawing that cannot be written.
    """
    counts = _counts(wanted.workers)
    if wanted.plot:
        check_drawing(wanted.plot)
    with showing_progress(f"loading {wanted.model}", Console(stderr=True)) as progress:
        model_file = find_model(wanted.model, wanted.weights)
        cutting = choose_cutting(model_file, wanted.stages, wanted.at)
        profile = profile_of(model_file, cutting, wanted.runtime, progress, wanted.anew)
        place = Place(wanted.cpus) if wanted.cpus else Place(max(counts), scales=True, store=wanted.store)
        tariff = replace(AWS_LAMBDA, per_gb_second=wanted.price_gb_s)
        expected = {}
        for number, workers in enumerate(counts):
            progress(f"{workers} workers", number, len(counts))
            expected[workers] = simulate(profile, Batch(wanted.pictures, wanted.per_record, workers), place, tariff)
    title = f"{model_file.name}: {wanted.pictures} pictures, {wanted.per_record} a record"
    if wanted.plot:
        plot_workers(wanted.plot, expected, title, tariff.currency)
    if as_json:
        rows = [{"workers": workers, **asdict(each)} for workers, each in expected.items()]
        typer.echo(json.dumps({"model": model_file.name, "expected": rows}, indent=1))
    else:
        _print(expected, title, tariff.currency)


def _counts(text: str) -> Sequence[int]:
    try:
        counts = sorted({int(each) for each in text.split(",")})
    except ValueError:
        counts = [0]
    if counts[0] < 1 or counts[-1] > 1024:
        raise InvalidInput(f"--workers: '{text}' is not a list of numbers from 1 to 1024 with commas between")
    return counts


def _print(expected: Mapping[int, Expectation], title: str, currency: str) -> None:
    numbers = [Column(name, justify="right") for name in ("workers", "s", "GB s", "cold starts", currency)]
    table = Table(*numbers, caption=title)
    for workers, each in expected.items():
        cells = f"{each.time_s:.1f}", f"{each.gb_seconds:.1f}", str(each.cold_starts), f"{each.money:.6f}"
        table.add_row(str(workers), *cells)
    Console().print(table, highlight=False)
