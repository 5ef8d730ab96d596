"""What `strata load` does: find scenario and target, run with progress, print, write."""

import json
import os
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from services.edge.errors import InvalidInput, Unavailable
from services.edge.whole_files import check_writable, write_whole
from services.loadtest.document import as_document
from services.loadtest.report import html_report
from services.loadtest.run import Killer, ScenarioRun, prepare, run
from services.loadtest.samples import Sample
from services.loadtest.scenario import Scenario, check_bounds, factor_of, out_of_bounds, stretched
from services.loadtest.search import find_highest
from services.loadtest.targets import Address, open_asker, read_address
from services.loadtest.text import number, outcome_lines
from services.loadtest.verdict import Verdict
from services.local.running import find_running, state_folder

_LINE_EVERY_S = 10.0
_COLOURS = {Verdict.PASS: "green", Verdict.FAIL: "red", Verdict.NOT_PROVED: "yellow"}


def find_target(target: str, ensemble: str, authority: str) -> Address:
    """Return the address that is given, or else of the service that runs on this machine.

    Raises:
        InvalidInput: it is not an address.
        Unavailable: none is given and none runs.
    """
    if target:
        return read_address(target, ensemble, authority)
    running = find_running(state_folder(os.environ))
    if running is None:
        raise Unavailable(
            "no service runs on this machine: start one with `strata serve start examples/fashion/ensemble.yaml`, or "
            "name one with --target"
        )
    return read_address(f"grpc://{running.grpc_address}", ensemble, authority)


@dataclass(frozen=True)
class Outputs:
    """Files to write a run to; None is not asked for."""

    json_file: Path | None
    html_file: Path | None

    def check(self) -> None:
        """Raises InvalidInput where a file cannot be written: before the run that would fill it."""
        for path in self._asked_for:
            check_writable(path)

    def write(self, run: ScenarioRun, address: Address, document: dict[str, Any]) -> None:
        """Write what is asked for, whole or not at all."""
        if self.json_file:
            write_whole({self.json_file: json.dumps(document, indent=1).encode()})
        if self.html_file:
            write_whole({self.html_file: html_report(run, str(address), datetime.now(UTC)).encode()})
        for path in self._asked_for:
            Console(stderr=True).print(f"wrote {path}", markup=False, highlight=False)

    @property
    def _asked_for(self) -> list[Path]:
        return [path for path in (self.json_file, self.html_file) if path]


async def load_once(
    scenario: Scenario, address: Address, capacity: float | None, outputs: Outputs, kill: Killer | None
) -> Verdict:
    """Run a scenario, print what came of it, write it where that is asked."""
    done = await _run(scenario, address, factor_of(scenario, capacity), kill)
    _print(done)
    outputs.write(done, address, as_document(done))
    return done.judgement.verdict


async def find_highest_load(scenario: Scenario, address: Address, capacity: float | None, outputs: Outputs) -> Verdict:
    """Search the highest load inside the SLO; where no run passed, the verdict is "fail" if one failed."""
    console = Console(stderr=True)
    runs: list[ScenarioRun] = []
    first = 1.0 if capacity is None else factor_of(scenario, capacity)
    if scenario.kills:
        raise InvalidInput(f"'{scenario.name}' kills a model: there is no highest load to search")
    check_bounds(stretched(scenario, first), first)

    def may_run(factor: float) -> bool:
        return not out_of_bounds(stretched(scenario, factor), factor)

    async def passes(factor: float) -> Verdict:
        runs.append(await _run(stretched(scenario, factor), address, factor))
        verdict = runs[-1].judgement.verdict
        console.print(f"{scenario.peak * factor:.4g} requests a second: [{_COLOURS[verdict]}]{verdict}[/]")
        return verdict

    highest = await find_highest(passes, first, may_run)
    best = next((each for each in runs if each.factor == highest), None)
    verdicts = {each.judgement.verdict for each in runs}
    if best:
        _print(best)
        typer.echo(f"Highest load inside the SLO: {scenario.peak * best.factor:.4g} requests a second.")
        if verdicts == {Verdict.PASS}:
            typer.echo("It is the highest that was tried.")
    else:
        typer.echo("No load was inside the SLO.")
    tried = [{"rate": scenario.peak * each.factor, "verdict": str(each.judgement.verdict)} for each in runs]
    rate = scenario.peak * best.factor if best else None
    shown = best or runs[-1]
    outputs.write(shown, address, {"highest": rate, "tried": tried, "run": as_document(shown)})
    return next(each for each in (Verdict.PASS, Verdict.FAIL, Verdict.NOT_PROVED) if each in verdicts)


def _print(done: ScenarioRun) -> None:
    console = Console()
    console.print(_table(done), highlight=False)
    for line in outcome_lines(done):
        console.print(line, highlight=False, markup=False, soft_wrap=True)


def _table(done: ScenarioRun) -> Table:
    promises = Table("promise", "verdict", "measured", "sure", "why", title=f"strata load {done.scenario.name}")
    for each in done.judgement.findings:
        verdict = f"[{_COLOURS[each.verdict]}]{each.verdict}[/]"
        promises.add_row(each.promise, verdict, number(each.measured), f"{100 * each.sure:.2f} %", each.why)
    return promises


async def _run(scenario: Scenario, address: Address, factor: float, kill: Killer | None = None) -> ScenarioRun:
    async with open_asker(address) as asker:
        with _watch(scenario, factor) as tell:
            target, deck = await prepare(scenario, asker)
            return await run(scenario, factor, asker, target, deck, tell, kill)


@contextmanager
def _watch(scenario: Scenario, factor: float) -> Iterator["Callable[[Sample], None]"]:
    """Show how far a run is: a bar on a terminal, a line now and then elsewhere."""
    console = Console(stderr=True)
    counts: Counter[str] = Counter()
    expected = scenario.expected * factor
    began_s = shown_s = time.monotonic()
    columns = (TextColumn(scenario.name), BarColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("warming up", total=expected)

        def tell(sample: Sample) -> None:
            nonlocal shown_s
            counts[str(sample.ended.outcome)] += 1
            said = ", ".join(f"{count} {outcome}" for outcome, count in counts.items())
            bar.update(task, advance=1, description=said)
            if not console.is_terminal and time.monotonic() - shown_s > _LINE_EVERY_S:
                shown_s = time.monotonic()
                console.print(f"{shown_s - began_s:.0f} s: {said} of about {expected:.0f}", highlight=False)

        yield tell
