"""`strata load`: send load as a scenario says, and say whether the SLO was kept."""

import asyncio
from pathlib import Path
from typing import Annotated

import typer


def load(
    scenario: Annotated[
        str, typer.Argument(metavar="SCENARIO", help="A scenario's file, or one of those shipped, such as steady.")
    ],
    target: Annotated[
        str,
        typer.Option(
            metavar="ADDRESS",
            envvar="STRATA_TARGET",
            help="http://HOST:PORT or grpc://HOST:PORT of a front door, or oip://HOST:PORT/MODEL; "
            "by default the service that `strata serve` runs.",
        ),
    ] = "",
    ensemble: Annotated[str, typer.Option(help="Which one, instead of the scenario's.")] = "",
    authority: Annotated[str, typer.Option(help="The name that an ingress at the target knows it by.")] = "",
    capacity: Annotated[
        float | None,
        typer.Option(
            min=0.001, help="Requests a second the target can answer, where rates are multiples; --find begins there."
        ),
    ] = None,
    namespace: Annotated[
        str,
        typer.Option(help="Of the cluster that KUBECONFIG points at: where a scenario that kills finds its models."),
    ] = "",
    json: Annotated[
        Path | None, typer.Option("--json", help="Write verdict, numbers and requests to this file.")
    ] = None,
    html: Annotated[Path | None, typer.Option("--html", help="Write a page with plots to this file.")] = None,
    find: Annotated[bool, typer.Option("--find", help="Search the highest load inside the SLO.")] = False,
) -> None:
    """Send load, and say whether the SLO was kept.

    Exit codes: 0 pass, 1 fail, 3 not proved, 2 cannot run. Not proved are too few requests to be sure, and a load that
    was not the one asked for.
    """
    from quant.errors import QuantError
    from services.cli.failures import tell
    from services.cli.load_kill import find_killer
    from services.cli.load_run import Outputs, find_highest_load, find_target, load_once
    from services.edge.errors import StrataError
    from services.loadtest.scenario_file import find_scenario
    from services.loadtest.verdict import EXIT_CANNOT_RUN, EXIT_CODES

    try:
        chosen = find_scenario(scenario)
        address = find_target(target, ensemble or chosen.request.ensemble, authority)
        outputs = Outputs(json, html)
        outputs.check()
        if find:
            verdict = asyncio.run(find_highest_load(chosen, address, capacity, outputs))
        else:
            kill = find_killer(chosen, namespace, is_local=not target)
            verdict = asyncio.run(load_once(chosen, address, capacity, outputs, kill))
    except (StrataError, QuantError) as error:
        tell(type(error).__name__, str(error))
        raise typer.Exit(EXIT_CANNOT_RUN) from error
    raise typer.Exit(EXIT_CODES[verdict])
