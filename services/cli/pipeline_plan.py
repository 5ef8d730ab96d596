"""`strata pipeline plan`: measure chains, weigh every choice, show the front, write the plan that was chosen."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.cli.durations import read_duration
from services.cli.pipeline_model import ChainWanted, choose_cutting, find_model
from services.cli.pipeline_plots import plot_front
from services.cli.pipeline_profiles import profile_of
from services.cli.plotting import check_drawing
from services.cli.steps import showing_progress
from services.edge.cpu_share import thread_count
from services.edge.errors import InvalidInput
from services.edge.receipts import Tariff
from services.edge.whole_files import check_writable
from services.pipeline.plan_file import PlanFile
from services.pipeline.planning import Plan, cheapest_within, fastest_for, front, plans, worker_counts
from services.pipeline.simulation import Place
from services.pipeline.sizing import MIB
from services.zoo.model_file import ModelFile
from services.zoo.stage_compile import Cutting

_STAGES = (1, 2, 4)


@dataclass(frozen=True)
class PlanWanted(ChainWanted):
    """What the command was asked for; `deadline` and `budget` exclude each other."""

    deadline: str
    budget: float | None
    pictures: int
    cpus: int | None
    tariff: Tariff
    anew: bool
    to: Path | None
    plot: Path | None


def plan_model(wanted: PlanWanted, as_json: bool) -> None:
    """Choose a plan, print it with the front, and write what was asked for.

    Raises:
        InvalidInput: neither a deadline nor a budget, or both; or a file that cannot be written.
        NoPlan: nothing is done in the time, or for the money.
    """
    if bool(wanted.deadline) == (wanted.budget is not None):
        raise InvalidInput("say either --deadline or --budget: the cheapest plan in the time, or the fastest for it")
    deadline_s = read_duration(wanted.deadline, "--deadline") if wanted.deadline else None
    if wanted.to:
        check_writable(wanted.to)
    if wanted.plot:
        check_drawing(wanted.plot)
    cpus = wanted.cpus or thread_count()
    with showing_progress(f"loading {wanted.model}", Console(stderr=True)) as progress:
        model_file = find_model(wanted.model, wanted.weights)
        cuttings = _cuttings(model_file, wanted)
        profiles = [profile_of(model_file, each, wanted.runtime, progress, wanted.anew) for each in cuttings]
        progress("weighing the choices")
        choices = list(plans(profiles, wanted.pictures, Place(cpus, fresh=True), wanted.tariff, worker_counts(cpus)))
    if deadline_s is not None:
        chosen = cheapest_within(choices, deadline_s)
    else:
        assert wanted.budget is not None
        chosen = fastest_for(choices, wanted.budget)
    cutting = next(each for each, profile in zip(cuttings, profiles, strict=True) if profile is chosen.profile)
    if wanted.to:
        stages = len(chosen.profile.stages)
        PlanFile(chosen, cutting.layers, cutting.names, stages, wanted.runtime, cpus).write(wanted.to)
    best = front(choices)
    if wanted.plot:
        plot_front(wanted.plot, choices, best, chosen, wanted.tariff.currency)
    if as_json:
        typer.echo(json.dumps({"chosen": _row(chosen), "front": [_row(each) for each in best]}, indent=1))
    else:
        _print(best, chosen, wanted)


def _cuttings(model_file: ModelFile, wanted: PlanWanted) -> list[Cutting]:
    """The cuts that were asked for; else the model file's own, and one, two and four stages that cost alike."""
    if wanted.stages or wanted.at:
        return [choose_cutting(model_file, wanted.stages, wanted.at)]
    own = choose_cutting(model_file, None, "")
    others = [Cutting(stages=stages) for stages in _STAGES]
    return [own, *(each for each in others if each.stages != (len(own.layers) + 1 if own.layers else own.stages))]


def _row(plan: Plan) -> dict[str, object]:
    memory = {stage.name: stage.memory_bytes for stage in plan.profile.stages}
    cuts = {"stages": len(memory), "layers": list(plan.profile.layers), "memory_bytes": memory}
    return {**cuts, **asdict(plan.batch), **asdict(plan.expected)}


def _print(best: Sequence[Plan], chosen: Plan, wanted: PlanWanted) -> None:
    numbers = [
        Column(name, justify="right") for name in ("stages", "a record", "workers", "s", "GB s", wanted.tariff.currency)
    ]
    shown = Table("", *numbers, caption=f"{wanted.pictures} pictures; no other plan is faster and costs less")
    for plan in best if chosen in best else [chosen, *best]:
        batch, expected = plan.batch, plan.expected
        choice = str(len(plan.profile.stages)), str(batch.per_record), str(batch.workers)
        figures = f"{expected.time_s:.1f}", f"{expected.gb_seconds:.1f}", f"{expected.money:.6f}"
        shown.add_row("*" if plan is chosen else "", *choice, *figures)
    console = Console()
    console.print(shown, highlight=False)
    stages = Table("stage", Column("MiB", justify="right"), Column("ms a picture", justify="right"))
    for stage in chosen.profile.stages:
        stages.add_row(escape(stage.name), f"{stage.memory_bytes / MIB:.0f}", f"{1e3 * stage.picture_s:.2f}")
    console.print(stages, highlight=False)
    batch = chosen.batch
    steps = f"Pack {batch.per_record} pictures in a record, and run {batch.workers} at a time"
    console.print(f"{steps}{f': --plan {wanted.to}' if wanted.to else ''}.", highlight=False, soft_wrap=True)
