"""`strata cold`: where the time of cold starts went."""

import json
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from services.cluster.cold_starts import ColdStart

_BAR_WIDTH = 24


def cold(
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Pods that run there now, by kubectl; else this machine's starts.")
    ] = "",
    release: Annotated[str, typer.Option(help="With --namespace: only this release's.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON: each start, and the medians.")] = False,
) -> None:
    """Show each phase of the starts of models: the median, and its part of the whole."""
    from services.cluster.cold_starts import medians
    from services.edge.errors import NotFound

    starts = _of_pods(namespace, release) if namespace else _of_this_machine()
    if not starts:
        raise NotFound(
            f"no pod in namespace '{namespace}' says how it started: `strata wake -n {namespace}`"
            if namespace
            else "no model has started here yet: `strata serve start`"
        )
    found = medians(starts)
    if as_json:
        each = [{"name": start.name, "total_ms": start.total_ms, "phases_ms": start.phases_ms} for start in starts]
        typer.echo(json.dumps({"starts": each, "median_ms": found}, indent=1))
    else:
        Console().print(_table(starts, found), highlight=False)


def _of_pods(namespace: str, release: str) -> "list[ColdStart]":
    from services.cluster.kubectl import Kubectl
    from services.cluster.usecases import cold_starts

    return cold_starts(Kubectl(), namespace, release)


def _of_this_machine() -> "list[ColdStart]":
    from services.cluster.cold_starts import starts_in_log
    from services.local.running import state_folder

    logs = sorted((state_folder(os.environ) / "logs").glob("*.log"))
    return [start for log in logs for start in starts_in_log(log.stem, log.read_text(errors="replace").splitlines())]


def _table(starts: "list[ColdStart]", found: Mapping[str, Mapping[str, float]]) -> Table:
    table = Table("name", "phase", title="Cold starts: medians")
    table.add_column("ms", justify="right", no_wrap=True)
    table.add_column("of the whole", no_wrap=True)
    for name, phases in found.items():
        total_ms = sum(phases.values()) or 1.0
        count = sum(start.name == name for start in starts)
        for number, (phase, phase_ms) in enumerate(phases.items()):
            bar = "█" * round(_BAR_WIDTH * phase_ms / total_ms)
            table.add_row(f"{escape(name)} ({count})" if number == 0 else "", phase, f"{phase_ms:.0f}", bar)
        table.add_row("", "all", f"{total_ms:.0f}", "", end_section=True)
    return table
