"""`strata ensemble`: ask several models at once, see what they are, measure how right they are, simulate many."""

import asyncio
import json
import os
from contextlib import AsyncExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from services.cli.completions import ENSEMBLE_MODES, one_of_words
from services.cli.options import Json

if TYPE_CHECKING:
    from services.cli.ensemble_tables import Answered, Refused
    from services.ensemble.domain import EnsembleMode
    from services.ensemble.http_bodies import EnsembleBody

app = typer.Typer(help="Ask several models at once and combine their answers.", no_args_is_help=True)

Endpoint = Annotated[
    str, typer.Option(metavar="URL", envvar="STRATA_ENDPOINT", help="A front door, as http://127.0.0.1:8000.")
]
Named = Annotated[
    str,
    typer.Option(
        "--ensemble",
        metavar="NAME|FILE.yaml",
        envvar="STRATA_ENSEMBLE",
        help="Which one; a file is served for this call.",
    ),
]


@app.command()
def predict(
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Pictures, or folders of them.")],
    mode: Annotated[
        str | None,
        typer.Option(
            metavar="parallel|serial",
            autocompletion=one_of_words(ENSEMBLE_MODES),
            help="As the ensemble declares, if absent.",
        ),
    ] = None,
    deadline_ms: Annotated[
        int | None,
        typer.Option(min=1, help="Answer with the models that are in by then; the ensemble's own if absent."),
    ] = None,
    ensemble: Named = "",
    endpoint: Endpoint = "",
    summary: Annotated[bool, typer.Option("--summary", help="Print only the summary over all pictures.")] = False,
    as_json: Json = False,
) -> None:
    """Classify pictures, one request each: by the endpoint, else the running local service, else one for this call."""
    from services.cli.ensemble_answers import print_answers
    from services.zoo.picture_files import find_pictures

    found = find_pictures(pictures)
    answered, refused = asyncio.run(_predict(found, _mode(mode), deadline_ms, ensemble, endpoint))
    raise typer.Exit(print_answers(answered, refused, summary, as_json))


@app.command()
def describe(
    ensemble: Annotated[str, typer.Argument(metavar="NAME|FILE.yaml", help="Which one; all if absent.")] = "",
    endpoint: Endpoint = "",
    as_json: Json = False,
) -> None:
    """Say what an ensemble is made of."""
    from services.cli.ensemble_tables import ensemble_table

    bodies = asyncio.run(_describe(ensemble, endpoint))
    if as_json:
        typer.echo(json.dumps([body.model_dump(mode="json") for body in bodies], indent=1))
        return
    for body in bodies:
        typer.echo(f"{body.name}: rule {body.rule}, {body.mode}, deadline {body.deadline_ms} ms")
        Console().print(ensemble_table(body), highlight=False)
        if body.labels:
            typer.echo(f"{len(body.labels)} classes: {', '.join(body.labels[:12])}{' ...' if body.labels[12:] else ''}")


@app.command()
def evaluate(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder per class, as ImageNet's validation set.")],
    labels: Annotated[
        Path | None,
        typer.Option(help="Lines FOLDER INDEX or FOLDER LABEL; or a line a class in order, its folder alone."),
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Time batches of 1, 2, 4 ... up to this.")] = 16,
    ensemble: Annotated[
        str,
        typer.Option("--ensemble", metavar="FILE.yaml", envvar="STRATA_ENSEMBLE", help="The shipped one if absent."),
    ] = "",
    write: Annotated[
        bool, typer.Option("--write/--no-write", help="Write the table of accuracies, and a plot, beside the ensemble.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Measure each model's, each subset's and the ensemble's accuracy, and latency against batch."""
    from services.cli.ensemble_evaluation import evaluate_folder

    evaluate_folder(folder, labels, batch, ensemble, write, as_json)


@app.command()
def simulate(
    models: Annotated[int, typer.Option(min=1, max=100_000, help="In ensembles that share none.")] = 1000,
    members: Annotated[int, typer.Option(min=1, max=10, help="Models in each ensemble.")] = 3,
    rate: Annotated[float, typer.Option(min=0.001, max=1e6, help="Requests a second, to all ensembles.")] = 10_000,
    seconds: Annotated[float, typer.Option(min=1, max=1e6, help="How long they come.")] = 60,
    popularity: Annotated[
        float, typer.Option(min=0, max=5, help="Zipf's exponent: the k-th ensemble is asked k**-POPULARITY as often.")
    ] = 2.2,
    service_ms: Annotated[float, typer.Option(min=0.01, max=1e6, help="A call's time on average; models differ.")] = 20,
    deadline_ms: Annotated[float, typer.Option(min=1, max=3.6e6, help="Of each request.")] = 200,
    start_s: Annotated[float, typer.Option(min=0, max=3600, help="A pod's start.")] = 3,
    memory_mb: Annotated[float, typer.Option(min=1, max=1e6, help="That a pod holds; it holds one CPU, too.")] = 300,
    cpus: Annotated[int, typer.Option(min=1, max=1_000_000, help="Of the cluster.")] = 2000,
    memory_gb: Annotated[float, typer.Option(min=0.1, max=1e7, help="Of the cluster.")] = 1000,
    window_s: Annotated[
        float, typer.Option(min=6, max=3600, help="The chart's `scale.window`: a model sleeps after so long.")
    ] = 30,
    max_pods: Annotated[int, typer.Option(min=1, max=10_000, help="The chart's `scale.max`, of each model.")] = 500,
    target: Annotated[
        float, typer.Option(min=0.1, max=1000, help="The chart's `concurrency.target`: calls under way for each pod.")
    ] = 2,
    spares: Annotated[int, typer.Option(min=0, max=10_000, help="Spare pods; one loads a model in 0.5 s.")] = 0,
    when_late: Annotated[
        str,
        typer.Option(metavar="WAY,...", help="Which ways to meet lateness; the first is compared with kept models."),
    ] = "subset,refuse,start",
    tariff: Annotated[
        str, typer.Option(metavar="JSON", help="Prices, as ENSEMBLE_TARIFF has them; Google Cloud Run's by default.")
    ] = "",
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same result.")] = 0,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw what was answered in time.")] = None,
    as_json: Json = False,
) -> None:
    """Say what many models under load would come to: answers in time, refusals, starts, pods, money.

    The front door's own decisions are run, before simulated pods. A minute of 10 000 requests a second takes minutes.
    """
    from services.cli.ensemble_simulate import FleetWanted
    from services.cli.ensemble_simulate import simulate as simulate_wanted
    from services.cli.tariffs import read_tariff
    from services.edge.receipts import CLOUD_RUN

    wanted = FleetWanted(
        models=models,
        members=members,
        rate=rate,
        seconds=seconds,
        popularity=popularity,
        service_ms=service_ms,
        deadline_ms=deadline_ms,
        start_s=start_s,
        memory_mb=memory_mb,
        cpus=cpus,
        memory_gb=memory_gb,
        window_s=window_s,
        max_pods=max_pods,
        target=target,
        spares=spares,
        when_late=when_late,
        seed=seed,
        tariff=read_tariff(tariff, CLOUD_RUN),
        plot=plot,
    )
    simulate_wanted(wanted, as_json)


async def _predict(
    pictures: list[Path], mode: "EnsembleMode | None", deadline_ms: int | None, ensemble: str, endpoint: str
) -> "tuple[list[Answered], list[Refused]]":
    """Ask for each picture; see `ask_for_each`."""
    from services.cli.ensemble_answers import ask_for_each
    from services.cli.ensemble_source import open_source
    from services.cli.steps import showing_progress

    console = Console(stderr=True)
    async with AsyncExitStack() as stack:
        with showing_progress("starting the models", console) as progress:
            source, named = await stack.enter_async_context(open_source(endpoint, ensemble, progress))
            chosen = _chosen(await source.ensembles(), named)
        return await ask_for_each(source, chosen, pictures, mode, deadline_ms, console)


async def _describe(ensemble: str, endpoint: str) -> "list[EnsembleBody]":
    from services.cli.ensemble_source import Remote, running_endpoint
    from services.cli.shipped import ensemble_file
    from services.ensemble.http_bodies import EnsembleBody
    from services.ensemble.loading import load_ensembles

    endpoint = endpoint or running_endpoint(ensemble)
    if not endpoint:
        served = load_ensembles([ensemble_file(ensemble)], os.environ)
        return [EnsembleBody.of(each.description) for each in served.values()]
    async with Remote(endpoint) as source:
        bodies = await source.ensembles()
        return [_chosen(bodies, ensemble)] if ensemble else bodies


def _chosen(bodies: "list[EnsembleBody]", name: str) -> "EnsembleBody":
    """Find an ensemble among those served; the name may be empty where there is one.

    Raises:
        EnsembleNotFound: names those there are.
    """
    from services.edge.errors import EnsembleNotFound

    fitting = [body for body in bodies if body.name == name or (not name and len(bodies) == 1)]
    if not fitting:
        asked = f"no ensemble '{name}'" if name else "several ensembles are served: name one with --ensemble"
        raise EnsembleNotFound(f"{asked}; here are {', '.join(body.name for body in bodies)}")
    return fitting[0]


def _mode(text: str | None) -> "EnsembleMode | None":
    from services.edge.errors import InvalidInput
    from services.ensemble.domain import EnsembleMode

    if text is not None and text not in list(EnsembleMode):
        raise InvalidInput(f"--mode {text}: expected {' or '.join(EnsembleMode)}")
    return EnsembleMode(text) if text else None
