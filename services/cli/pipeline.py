"""`strata pipeline`: records through a model whose layers are functions."""

import asyncio
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from services.cli.completions import CHAIN_RUNTIMES, ENCODINGS, EXECUTORS, chain_model, one_of_words
from services.cli.options import Json
from services.edge.receipts import AWS_LAMBDA

if TYPE_CHECKING:
    from services.artifacts.precision import Encoding

app = typer.Typer(help="Run records of pictures through a model that is cut into stages.", no_args_is_help=True)

Model = Annotated[
    str,
    typer.Argument(
        metavar="MODEL", autocompletion=chain_model, help="A model's name, its model file, or a .pt2 program."
    ),
]
Weights = Annotated[
    str | None, typer.Option(metavar="REFERENCE", help="Other weights than its own, such as random://0.")
]
Stages = Annotated[int | None, typer.Option(min=1, help="How many stages; they are cut to cost alike.")]
At = Annotated[
    str, typer.Option("--at", metavar="LAYER,...", help="Cut after these layers or modules (`strata pipeline cut`).")
]

Runtime = Annotated[
    str,
    typer.Option(
        metavar="auto|torch|onnxruntime|openvino",
        autocompletion=one_of_words(CHAIN_RUNTIMES),
        help="What runs the stages; auto: the fastest.",
    ),
]

Measure = Annotated[bool, typer.Option("--measure", help="Measure the stages anew.")]
PictureCount = Annotated[int, typer.Option(min=1, max=10_000_000, help="Pictures of the job.")]
PerRecord = Annotated[int, typer.Option(min=1, max=1000, help="Pictures in a record.")]

Answers = Annotated[str, typer.Option("-o", "--to", metavar="URL", help="Where answers and the job's state go.")]
Services = Annotated[
    str,
    typer.Option(
        metavar="HOST:PORT,...", help="Stages that run elsewhere, in their order; HOST:PORT/NAME behind an ingress."
    ),
]
Executor = Annotated[
    str,
    typer.Option(
        metavar="embedded|ray",
        autocompletion=one_of_words(EXECUTORS),
        help="Where stages run: processes of this machine, or Ray Data's actors.",
    ),
]
TopK = Annotated[int, typer.Option(min=1, help="How many classes to name for each picture.")]
Activations = Annotated[
    str,
    typer.Option(
        metavar="float32|float16|int8",
        autocompletion=one_of_words(ENCODINGS),
        help="How stages keep values for one another; float32.",
    ),
]
Tariff = Annotated[
    str,
    typer.Option(
        "--tariff",
        metavar="JSON",
        help='Prices, such as {"per_gb_second": 0.00002, "currency": "EUR"}; AWS\' by default.',
    ),
]


@app.command()
def pack(
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Pictures, or folders of them.")],
    to: Annotated[str, typer.Option("-o", "--to", metavar="URL", help="A folder, or s3://BUCKET/PREFIX.")],
    per_record: PerRecord = 500,
    as_json: Json = False,
) -> None:
    """Pack pictures into records: checksummed files of up to 1000 each, for `run`."""
    from services.artifacts.store import open_store
    from services.cli.steps import showing_progress
    from services.pipeline.packing import name_pictures
    from services.pipeline.packing import pack as pack_pictures

    named = name_pictures(pictures)
    with showing_progress("packing", Console(stderr=True)) as progress:
        packed = asyncio.run(pack_pictures(named, per_record, open_store(to, create=True), progress))
    if as_json:
        typer.echo(json.dumps({"url": to, **vars(packed)}, indent=1))
    else:
        typer.echo(f"{packed.pictures} pictures in {packed.records} records, {packed.size_bytes} bytes, in {to}")


@app.command()
def unpack(
    records: Annotated[str, typer.Argument(metavar="URL", help="Where the records are.")],
    to: Annotated[Path, typer.Option("-o", "--to", metavar="FOLDER", help="Where the pictures go.")],
    as_json: Json = False,
) -> None:
    """Write the pictures of records as files again, a folder for each record."""
    from services.artifacts.store import open_store
    from services.cli.steps import showing_progress
    from services.pipeline.packing import unpack as unpack_records

    with showing_progress("unpacking", Console(stderr=True)) as progress:
        unpacked = asyncio.run(unpack_records(open_store(records), to, progress))
    if as_json:
        typer.echo(json.dumps({"folder": str(to), **vars(unpacked)}, indent=1))
    else:
        typer.echo(f"{unpacked.pictures} pictures of {unpacked.records} records, {unpacked.size_bytes} bytes, in {to}")


@app.command()
def cut(
    model: Model,
    stages: Stages = None,
    at: At = "",
    weights: Weights = None,
    as_json: Json = False,
) -> None:
    """Show where a model can be cut, and what each side of each cut costs."""
    from services.cli.pipeline_model import choose_cutting, find_model
    from services.cli.pipeline_tables import cut_rows, print_cuts, print_stages, stage_rows
    from services.cli.steps import showing_progress
    from services.zoo.costs import balance
    from services.zoo.measured_places import measured_places

    with showing_progress(f"loading {model}", Console(stderr=True)) as tell:
        model_file = find_model(model, weights)
        cutting = choose_cutting(model_file, stages, at)
        places, costs = measured_places(model_file, cutting.layers, tell)
        cuts = places.cuts_at(cutting.layers) or balance(places, costs, cutting.stages)
    if as_json:
        rows = {"cuts": cut_rows(places, costs), "stages": stage_rows(places, costs, cuts, cutting.names)}
        typer.echo(json.dumps({"model": model_file.name, **rows}, indent=1))
        return
    print_cuts(cut_rows(places, costs), {each.layer for each in cuts})
    print_stages(stage_rows(places, costs, cuts, cutting.names))


@app.command()
def size(
    model: Model,
    per_record: PerRecord = 500,
    stages: Stages = None,
    at: At = "",
    weights: Weights = None,
    runtime: Runtime = "auto",
    as_json: Json = False,
) -> None:
    """Find the least memory that each stage gets through a record with, by trying under a real limit (as root)."""
    from services.cli.pipeline_size import size_model

    size_model(model, weights, stages, at, runtime, per_record, as_json)


@app.command()
def plan(
    model: Model,
    deadline: Annotated[str, typer.Option(metavar="TIME", help="The cheapest plan in 60s, 5m, 1h.")] = "",
    budget: Annotated[float | None, typer.Option(min=0, metavar="USD", help="The fastest plan for the money.")] = None,
    pictures: PictureCount = 10_000,
    cpus: Annotated[
        int | None, typer.Option(min=1, max=1024, help="CPUs for stages; this machine's by default.")
    ] = None,
    to: Annotated[
        Path | None, typer.Option("-o", "--to", metavar="FILE", help="Write the plan, for `run --plan`.")
    ] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw every plan's time and money.")] = None,
    measure: Measure = False,
    tariff: Tariff = "",
    stages: Stages = None,
    at: At = "",
    weights: Weights = None,
    runtime: Runtime = "auto",
    as_json: Json = False,
) -> None:
    """Choose cuts, record size and workers: the cheapest in the time, or the fastest for the money.

    Each chain is measured first, where that was not done on this machine before.
    """
    from services.cli.pipeline_plan import PlanWanted, plan_model
    from services.cli.tariffs import read_tariff

    prices = read_tariff(tariff, AWS_LAMBDA)
    wanted = PlanWanted(
        model, weights, stages, at, runtime, deadline, budget, pictures, cpus, prices, anew=measure, to=to, plot=plot
    )
    plan_model(wanted, as_json)


@app.command()
def simulate(
    model: Model,
    pictures: PictureCount = 100_000,
    per_record: PerRecord = 1000,
    workers: Annotated[
        str, typer.Option(metavar="N,...", help="Records under way at a time.")
    ] = "1,2,4,8,16,32,64,128,256,512,1024",
    cpus: Annotated[
        int | None,
        typer.Option(
            min=1, max=4096, help="One machine with so many, its stages running; else an instance a record, from zero."
        ),
    ] = None,
    latency_ms: Annotated[float, typer.Option(min=0, help="From asking the store to its first byte.")] = 100.0,
    bandwidth_mb_s: Annotated[float, typer.Option(min=0.001, help="What one transfer with the store gets.")] = 85.0,
    transfers: Annotated[int, typer.Option(min=1, help="Transfers at a time that get that much.")] = 1000,
    price_gb_s: Annotated[
        float, typer.Option(min=0, metavar="USD", help="What a GB second costs.")
    ] = AWS_LAMBDA.per_gb_second,
    plot: Annotated[Path | None, typer.Option(metavar="FILE.png", help="Draw time and money by workers.")] = None,
    measure: Measure = False,
    stages: Stages = None,
    at: At = "",
    weights: Weights = None,
    runtime: Runtime = "auto",
    as_json: Json = False,
) -> None:
    """Say what a job would take and cost with 1 to 1024 workers, from what its stages take on this machine."""
    from services.cli.pipeline_simulate import SimulationWanted, simulate_model
    from services.pipeline.simulation import Store

    wanted = SimulationWanted(
        model,
        weights,
        stages,
        at,
        runtime,
        pictures,
        per_record,
        workers,
        cpus,
        store=Store(latency_ms / 1e3, bandwidth_mb_s * 1e6, transfers),
        price_gb_s=price_gb_s,
        anew=measure,
        plot=plot,
    )
    simulate_model(wanted, as_json)


@app.command()
def run(
    model: Model,
    records: Annotated[str, typer.Argument(metavar="RECORDS", help="Where `pack` wrote the records.")],
    to: Answers,
    workers: Annotated[
        int | None, typer.Option(min=1, max=1024, help="Records under way at a time; 2, or the plan's.")
    ] = None,
    plan: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Cuts, runtime and workers as `plan -o` wrote them.")
    ] = None,
    job: Annotated[str, typer.Option(help="The job's name; made from the model and the time if absent.")] = "",
    resume: Annotated[str, typer.Option(metavar="JOB", help="Go on with a job that was not finished.")] = "",
    services: Services = "",
    executor: Executor = "embedded",
    stages: Stages = None,
    at: At = "",
    weights: Weights = None,
    runtime: Runtime = "auto",
    top_k: TopK = 5,
    activations: Activations = "",
    tariff: Tariff = "",
    as_json: Json = False,
) -> None:
    """Run records through a model's stages; answers are written as each record is done.

    Exits with 3 where records were set aside; whatever ends it, `--resume` goes on.
    """
    from services.cli.pipeline_run import RunWanted, run_pipeline
    from services.cli.tariffs import read_tariff

    wanted = RunWanted(
        model,
        weights,
        stages,
        at,
        runtime,
        records,
        to,
        job,
        resume,
        services,
        executor,
        workers,
        top_k,
        _precision(activations),
        plan,
        read_tariff(tariff, AWS_LAMBDA),
    )
    raise typer.Exit(run_pipeline(wanted, as_json))


@app.command()
def predict(
    model: Model,
    pictures: Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Pictures, or folders of them.")],
    deadline_ms: Annotated[int | None, typer.Option(min=1, help="Give up on a picture then; 10000 if absent.")] = None,
    services: Services = "",
    stages: Stages = None,
    at: At = "",
    weights: Weights = None,
    runtime: Runtime = "auto",
    as_json: Json = False,
) -> None:
    """Classify single pictures with a model's stages, without the store: each gets its values in the message."""
    from services.cli.pipeline_predict import WantedAnswers, predict_pictures
    from services.zoo.picture_files import find_pictures

    wanted = WantedAnswers(model, weights, stages, at, runtime, services, deadline_ms)
    raise typer.Exit(predict_pictures(wanted, find_pictures(pictures), as_json))


@app.command()
def submit(
    pipeline: Annotated[str, typer.Argument(metavar="PIPELINE", help="One of `pipelines` in the release's values.")],
    records: Annotated[str, typer.Argument(metavar="RECORDS", help="Where the records are, as the stages reach them.")],
    to: Answers,
    workers: Annotated[int, typer.Option(min=1, max=1024, help="Records under way at a time.")] = 2,
    job: Annotated[str, typer.Option(help="The job's name; one that is in the store already is gone on with.")] = "",
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="By default the one kubectl uses.")] = "",
    top_k: TopK = 5,
    activations: Activations = "",
    follow: Annotated[bool, typer.Option("--follow/--no-follow", help="Show the driver's log until it ends.")] = True,
    as_json: Json = False,
) -> None:
    """Run a job on the cluster: its driver as a Kubernetes Job beside the stages, which goes on after any kill.

    Exits as `run` does, with the driver's own code.
    """
    from services.cli.pipeline_submit import WantedJob, submit_job

    wanted = WantedJob(pipeline, records, to, job, namespace, workers, top_k, _precision(activations), follow)
    raise typer.Exit(submit_job(wanted, as_json))


def _precision(text: str) -> "Encoding | None":
    from services.artifacts.precision import Encoding
    from services.edge.errors import InvalidInput

    if text and text not in list(Encoding):
        raise InvalidInput(f"--activations {text}: it is {', '.join(Encoding)}")
    return Encoding(text) if text else None
