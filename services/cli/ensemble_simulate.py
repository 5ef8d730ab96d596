"""`strata ensemble simulate`: what a fleet of models would come to under load, before there is one."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TypeAlias

import typer
from rich.console import Console
from rich.table import Column, Table

from services.cli.fleet_plot import plot_over_time
from services.cli.plotting import check_drawing
from services.cli.steps import showing_progress
from services.edge.errors import InvalidInput
from services.edge.receipts import Tariff
from services.ensemble.domain import WhenLate
from services.ensemble.fleet.load import Demand, draw_load
from services.ensemble.fleet.outcome import FleetOutcome
from services.ensemble.fleet.pods import Scale
from services.ensemble.fleet.simulation import Fleet, simulate_fleet

_Cell: TypeAlias = Callable[[FleetOutcome], str]
_ROWS: Mapping[str, _Cell] = {
    "in time, by all members": lambda it: _percent(it.complete),
    "in time, by any": lambda it: _percent(it.in_deadline),
    "refused at once": lambda it: _percent(it.refused),
    "nothing in time": lambda it: _percent(it.late),
    "met a start": lambda it: _percent(it.cold),
    "p50, ms": lambda it: f"{it.p50_ms:.1f}",
    "p99, ms": lambda it: f"{it.p99_ms:.1f}",
    "pods started": lambda it: f"{it.held.starts:,}",
    "pods, on average": lambda it: f"{it.held.mean:,.1f}",
    "pods, at most": lambda it: f"{it.held.most:,}",
    "pods without room": lambda it: f"{it.held.most_waiting:,}",
    "GB s held": lambda it: f"{it.held.gb_s:,.0f}",
    "CPU s": lambda it: f"{it.held.cpu_s:,.0f}",
}


@dataclass(frozen=True)
class FleetWanted:
    """What the command was asked for; `when_late` are names with commas between."""

    models: int
    members: int
    rate: float
    seconds: float
    popularity: float
    service_ms: float
    deadline_ms: float
    start_s: float
    memory_mb: float
    cpus: int
    memory_gb: float
    window_s: float
    max_pods: int
    target: float
    spares: int
    when_late: str
    seed: int
    tariff: Tariff
    plot: Path | None

    def demand(self) -> Demand:
        """Who asks how much."""
        service_s = self.service_ms / 1e3
        return Demand(self.models, self.members, self.rate, self.seconds, self.popularity, service_s)

    def fleet(self, when_late: WhenLate) -> Fleet:
        """What answers."""
        scale = Scale(self.start_s, self.window_s, self.target, most=self.max_pods)
        return Fleet(
            self.cpus, self.memory_gb, self.memory_mb, scale, self.deadline_ms / 1e3, when_late, spares=self.spares
        )


def simulate(wanted: FleetWanted, as_json: bool) -> None:
    """Simulate each way to meet lateness, and the first with all models kept; print. Raises InvalidInput."""
    _check(wanted)
    fleets = {str(way): wanted.fleet(way) for way in _ways(wanted.when_late)}
    first = next(iter(fleets))
    kept = replace(fleets[first].scale, least=1)
    fleets[f"{first}, kept"] = replace(fleets[first], scale=kept)
    with showing_progress("drawing requests", Console(stderr=True)) as progress:
        load = draw_load(wanted.demand(), wanted.seed)
        found = {}
        for name, fleet in fleets.items():
            found[name] = simulate_fleet(fleet, load, wanted.tariff, lambda _, *at, name=name: progress(name, *at))
    if wanted.plot:
        plot_over_time(wanted.plot, {name: each.complete_by_s for name, each in found.items()})
    if as_json:
        typer.echo(json.dumps({name: asdict(each) for name, each in found.items()}, indent=1))
    else:
        _print(found, wanted)


def _ways(text: str) -> Sequence[WhenLate]:
    names = list(dict.fromkeys(each.strip() for each in text.split(",")))
    wrong = [each for each in names if each not in list(WhenLate)]
    if wrong:
        raise InvalidInput(f"--when-late: '{wrong[0]}' is none of {', '.join(WhenLate)}")
    return [WhenLate(each) for each in names]


def _check(wanted: FleetWanted) -> None:
    """Refuse what no option's own range refuses."""
    if wanted.memory_gb * 1024 < wanted.memory_mb:
        raise InvalidInput(
            f"--memory-gb {wanted.memory_gb:g}: the cluster has no room for one pod of {wanted.memory_mb:g} MB"
        )
    if wanted.plot:
        check_drawing(wanted.plot)
    room = wanted.fleet(WhenLate.START).room
    if wanted.spares >= room:
        raise InvalidInput(f"--spares {wanted.spares}: the cluster has room for {room} pods, models' own with them")


def _print(found: Mapping[str, FleetOutcome], wanted: FleetWanted) -> None:
    columns = [Column(name, justify="right") for name in found]
    requests = next(iter(found.values())).requests
    title = f"{wanted.models} models, {requests:,} requests in {wanted.seconds:g} s, deadline {wanted.deadline_ms:g} ms"
    table = Table("", *columns, title=title, caption="kept: a pod of each model stays up")
    for name, cell in _ROWS.items():
        table.add_row(name, *(cell(each) for each in found.values()))
    table.add_row(wanted.tariff.currency, *(f"{each.money:.4f}" for each in found.values()))
    Console().print(table, highlight=False)


def _percent(share: float) -> str:
    return f"{100 * share:.2f} %"
