"""`strata wake`: start a whole graph at once, before the first request needs it."""

import asyncio
import json
import os
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from services.cli.failures import EXIT_FAULT
from services.cli.options import Json

if TYPE_CHECKING:
    from services.ensemble.http_bodies import StartedBody


def wake(
    ensemble: Annotated[str, typer.Argument(metavar="ENSEMBLE", help="Which one; all if absent.")] = "",
    endpoint: Annotated[
        str, typer.Option(metavar="URL", envvar="STRATA_ENDPOINT", help="A front door; by default `strata serve`'s.")
    ] = "",
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", help="Wake every model and stage there instead, through --ingress.")
    ] = "",
    release: Annotated[str, typer.Option(help="With --namespace: only this release's.")] = "",
    ingress: Annotated[str, typer.Option(envvar="INGRESS_URL", help="URL of Knative's ingress gateway.")] = "",
    wait_s: Annotated[float, typer.Option(min=1, max=3600, help="Wait so long at most.")] = 180,
    as_json: Json = False,
) -> None:
    """Start every member and stage that does not run, all at once, and wait until they do.

    Exit codes: 0 all run, 1 one does not, or nothing is served; 2 there is no such ensemble.
    """
    from services.cli.steps import showing_progress

    with showing_progress("waking", Console(stderr=True)):
        if namespace:
            woken = _wake_services(namespace, release, ingress, wait_s)
        else:
            woken = asyncio.run(_wake_ensembles(ensemble, endpoint, wait_s))
    if as_json:
        typer.echo(json.dumps([each.model_dump() for each in woken], indent=1))
    else:
        Console().print(_table(woken), highlight=False)
    if any(each.error for each in woken):
        raise typer.Exit(EXIT_FAULT)


async def _wake_ensembles(ensemble: str, endpoint: str, wait_s: float) -> "list[StartedBody]":
    from services.cli.ensemble_source import Remote
    from services.edge.errors import Unavailable
    from services.local.running import find_running, state_folder

    running = find_running(state_folder(os.environ))
    if not endpoint and not running:
        raise Unavailable("nothing is served here: `strata serve start`, or name a front door with --endpoint")
    async with Remote(endpoint or f"http://{running.http_address if running else ''}") as door:
        names = [ensemble] if ensemble else [each.name for each in await door.ensembles()]
        woken = await asyncio.gather(*(door.wake(name, wait_s) for name in names))
    return list({each.model: each for members in woken for each in members}.values())


def _wake_services(namespace: str, release: str, ingress: str, wait_s: float) -> "list[StartedBody]":
    from services.cluster.ingress import call_all
    from services.cluster.kubectl import Kubectl
    from services.cluster.usecases import hosts_of
    from services.edge.errors import InvalidInput, NotFound
    from services.ensemble.http_bodies import StartedBody

    if not ingress:
        raise InvalidInput("name Knative's ingress gateway with --ingress URL (INGRESS_URL): calls go through it")
    hosts = hosts_of(Kubectl(), namespace, release)
    if not hosts:
        raise NotFound(f"no models and stages of Strata are in namespace '{namespace}'")
    called = asyncio.run(call_all(hosts, ingress, wait_s))
    return [StartedBody(model=name, took_ms=1e3 * each.took_s, error=each.error) for name, each in called.items()]


def _table(woken: "list[StartedBody]") -> Table:
    table = Table("name", "state")
    table.add_column("ms", justify="right")
    table.add_column("why", overflow="fold")
    for each in woken:
        state = "[red]does not run[/]" if each.error else "[green]runs[/]"
        table.add_row(escape(each.model), state, f"{each.took_ms:.0f}", escape(each.error))
    return table
