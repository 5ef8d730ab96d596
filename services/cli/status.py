"""`strata status`: how an installed release is doing on its cluster."""

import json
import time
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.cli.failures import EXIT_FAULT
from services.cli.options import Json

if TYPE_CHECKING:
    from services.cluster.domain import Workload

_STYLES = {"ready": "green", "starting": "yellow", "failed": "red"}


def status(
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="By default the one kubectl uses.")] = "",
    release: Annotated[str, typer.Option(help="Only this release; by default all of the namespace.")] = "",
    wait_s: Annotated[
        float, typer.Option(min=0, help="Wait so long until everything is ready, or something has failed.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Look at each model and front door on the cluster that kubectl points at, and at each newest revision.

    Exit codes: 0 all is ready, 1 something is not, 2 there is nothing of Strata.
    """
    from services.cli.steps import showing_progress
    from services.cluster.domain import WorkloadState
    from services.cluster.kubectl import Kubectl, own_namespace
    from services.cluster.usecases import await_ready, survey
    from services.edge.deadline import Deadline
    from services.edge.errors import NotFound

    where = namespace or own_namespace()
    with showing_progress(f"looking at namespace {where}", Console(stderr=True)) as show:
        seen = await_ready(lambda: survey(Kubectl(), where, release), Deadline.after(wait_s), time.sleep, show)
    if not seen:
        of = f" of release '{release}'" if release else ""
        raise NotFound(f"nothing{of} is installed in namespace '{where}'; name another one with --namespace")
    if as_json:
        typer.echo(json.dumps([asdict(each) for each in seen], indent=1))
    else:
        Console().print(_table(seen), highlight=False)
        for each in seen:
            if each.detail:
                typer.echo(f"{each.name}: {each.detail}")
    if any(each.state is not WorkloadState.READY for each in seen):
        raise typer.Exit(EXIT_FAULT)


def _table(workloads: "list[Workload]") -> Table:
    columns = [Column(name, overflow="fold") for name in ("component", "pods", "newest", "answering")]
    table = Table(Column("name", no_wrap=True), Column("state", no_wrap=True), *columns)
    for each in workloads:
        answering = ", ".join(_answering(each, name, percent) for name, percent in (each.serving or {}).items())
        texts = (each.component, str(sum(each.pods.values())), each.newest, answering)
        state = f"[{_STYLES[each.state]}]{each.state}[/]"
        table.add_row(escape(each.name), state, *map(escape, texts))
    return table


def _answering(workload: "Workload", revision: str, percent: int) -> str:
    pods = workload.pods.get(revision, 0)
    return f"{revision} {percent} % ({pods} {'pod' if pods == 1 else 'pods'})"
