"""`strata bench`: measure an area, show it beside its bars, write it as JSON and as a page."""

import os
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console

from services.bench.cluster import INGRESS, Cluster
from services.cli.steps import showing_progress
from services.edge.errors import Unavailable

app = typer.Typer(help="Measure an area and write its figures as JSON.", no_args_is_help=True)

Json = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")]
Report = Annotated[Path | None, typer.Option(help="Write a page with table and plot to this Markdown file.")]
Merge = Annotated[bool, typer.Option(help="Keep what the --json file has and this run does not measure.")]
Quick = Annotated[bool, typer.Option(help="Few rounds: to try the benchmark, not to quote it.")]
Namespace = Annotated[str, typer.Option(help="Namespace to create, measure in, and remove.")]
Ingress = Annotated[str, typer.Option(envvar="INGRESS_URL", help="URL of Knative's ingress gateway.")]
ModelImage = Annotated[str, typer.Option(help="Image of a model; for the ensemble with the full-size models inside.")]
EnsembleImage = Annotated[str, typer.Option(help="Image of the ensemble.")]
StageImage = Annotated[str, typer.Option(help="Image of a stage.")]
HelloImage = Annotated[str, typer.Option(envvar="HELLO_IMAGE", help="Image of Knative's hello world.")]
_NAMESPACE = "strata-bench"
_MODEL = "dev.local/strata/model:bench"
_ENSEMBLE = "dev.local/strata/ensemble:bench"
_STAGE = "dev.local/strata/stage:bench"
_HELLO = "gcr.io/knative-samples/helloworld-go"


@app.command()
def ensemble(
    json: Json = None,
    report: Report = None,
    quick: Quick = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Held-out pictures, a folder per class; without it, no accuracy.")
    ] = None,
    parts: Annotated[
        str, typer.Option(help="Of overhead, hop, forward, accuracy; and path, batches, cold where KUBECONFIG is set.")
    ] = "",
    merge: Merge = False,
    namespace: Namespace = _NAMESPACE,
    ingress: Ingress = INGRESS,
    model_image: ModelImage = _MODEL,
    ensemble_image: EnsembleImage = _ENSEMBLE,
    hello_image: HelloImage = _HELLO,
) -> None:
    """Measure the ensemble: overhead, speed-up, batches, hops, forward passes, cold starts, accuracy."""
    from services.bench import ensemble as area
    from services.bench.cluster_figures import Images
    from services.bench.report import Page
    from services.cli.bench_record import BenchRecord, FigureOutputs

    wanted = _chosen(parts, area.PARTS, "--parts")
    record = BenchRecord("ensemble", area.PACKAGES, lambda _: area.BARS, FigureOutputs(json, report, merge))
    images = Images(model_image, ensemble_image, hello_image)
    effort = area.QUICK_EFFORT if quick else area.FULL_EFFORT
    with ExitStack() as stack:
        progress = stack.enter_context(showing_progress("", Console(stderr=True)))
        place = None
        if "KUBECONFIG" in os.environ and set(wanted) & set(area.ON_KNATIVE):
            place = stack.enter_context(Cluster(namespace, urlsplit(ingress).netloc).claimed(progress))
        record.extend(area.measure(area.EnsembleSubject(effort, pictures, place, images, progress), wanted))
    record.finish(lambda _: Page("The ensemble's figures", "make bench-ensemble", area.NOTES, area.PLOTS))


@app.command()
def quant(
    json: Json = None,
    report: Report = None,
    quick: Quick = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Held-out pictures, a folder per class; without it, no `top1_drop`.")
    ] = None,
    models: Annotated[str, typer.Option(help="Names with commas between; all 14 by default.")] = "",
    parts: Annotated[str, typer.Option(help="Of correctness, accuracy, pretrained, onnx, served, use and speed.")] = "",
    merge: Merge = False,
) -> None:
    """Measure the quantisation engine: exactness, speed beside its peers, what int8 costs, how the stepper responds."""
    from services.bench import quant as area
    from services.bench.report import Page
    from services.cli.bench_record import BenchRecord, FigureOutputs

    wanted_models = _chosen(models, area.MODELS, "--models")
    wanted_parts = _chosen(parts, area.PARTS, "--parts")
    record = BenchRecord("quant", area.PACKAGES, area.bars, FigureOutputs(json, report, merge))
    for found in area.measure(wanted_models, wanted_parts, quick, pictures, Console(stderr=True).print):
        record.add({**found, **area.summarise({**record.figures, **found})})
    record.finish(
        lambda figures: Page("The quantisation engine's figures", "make bench-quant", area.notes(figures), area.PLOTS)
    )


@app.command()
def pipeline(
    json: Json = None,
    report: Report = None,
    quick: Quick = False,
    parts: Annotated[
        str,
        typer.Option(
            help="Of overhead, efficiency, simulation, memory and paper (as root), driver, ray, exact; "
            "and cold where KUBECONFIG is set."
        ),
    ] = "",
    merge: Merge = False,
    namespace: Namespace = _NAMESPACE,
    ingress: Ingress = INGRESS,
    model_image: ModelImage = _MODEL,
    ensemble_image: EnsembleImage = _ENSEMBLE,
    stage_image: StageImage = _STAGE,
) -> None:
    """Measure the pipeline: exactness, what cuts cost, what workers bring, memory floors, how well plans predict."""
    from services.bench import pipeline as area
    from services.bench.pipeline_cluster import KnativePlace
    from services.bench.pipeline_drawings import DRAWINGS
    from services.bench.pipeline_notes import notes
    from services.bench.report import Page
    from services.cli.bench_record import BenchRecord, FigureOutputs

    wanted = _possible(_chosen(parts, area.PARTS, "--parts"), (area.ON_KNATIVE,), asked=bool(parts))
    area.check_place(wanted)
    record = BenchRecord("pipeline", area.PACKAGES, lambda _: area.BARS, FigureOutputs(json, report, merge))
    images = {"model": model_image, "ensemble": ensemble_image, "stage": stage_image}
    with ExitStack() as stack:
        progress = stack.enter_context(showing_progress("", Console(stderr=True)))
        scratch = Path(stack.enter_context(TemporaryDirectory(prefix="strata-bench-")))
        place = None
        if area.ON_KNATIVE in wanted:
            cluster = stack.enter_context(Cluster(namespace, urlsplit(ingress).netloc).claimed(progress))
            place = KnativePlace(cluster, images, quick, progress)
        record.extend(area.measure(wanted, quick, scratch, place, progress))
    record.finish(
        lambda figures: Page(
            "The pipeline's figures", "make bench-pipeline", notes(figures), area.PLOTS, DRAWINGS, area.TABULATED
        )
    )


@app.command()
def slo(
    json: Json = None,
    report: Report = None,
    quick: Quick = False,
    pictures: Annotated[
        Path | None, typer.Option(help="Held-out pictures, a folder per class; without it, no accuracy.")
    ] = None,
    parts: Annotated[
        str,
        typer.Option(
            help="Of receipts, queue, batching, floor, int8, deadline, overload, fleet, verdict and soak; "
            "and path, cold, spare, idle where KUBECONFIG is set."
        ),
    ] = "",
    merge: Merge = False,
    namespace: Namespace = _NAMESPACE,
    ingress: Ingress = INGRESS,
    model_image: ModelImage = _MODEL,
    ensemble_image: EnsembleImage = _ENSEMBLE,
    hello_image: HelloImage = _HELLO,
    soak_minutes: Annotated[
        float | None, typer.Option(help="How long the soak lasts; 10, or 1 with --quick. The bar is for 30.", min=0.5)
    ] = None,
) -> None:
    """Measure deadlines, admission, batching, receipts, and whether our verdict on an SLO is that of MLPerf LoadGen."""
    from services.bench import slo as area
    from services.bench.cluster_figures import Images
    from services.bench.report import Page
    from services.bench.slo_notes import NOTES
    from services.cli.bench_record import BenchRecord, FigureOutputs

    wanted = _possible(_chosen(parts, area.PARTS, "--parts"), area.ON_KNATIVE, asked=bool(parts))
    record = BenchRecord("slo", area.PACKAGES, lambda _: area.BARS, FigureOutputs(json, report, merge))
    effort = area.QUICK_EFFORT if quick else area.FULL_EFFORT
    if soak_minutes:
        effort = replace(effort, soak_s=60 * soak_minutes)
    images = Images(model_image, ensemble_image, hello_image)
    left_out: dict[str, str] = {}
    with ExitStack() as stack:
        progress = stack.enter_context(showing_progress("", Console(stderr=True)))
        place = None
        if set(wanted) & set(area.ON_KNATIVE):
            place = stack.enter_context(Cluster(namespace, urlsplit(ingress).netloc).claimed(progress))
            place.check_images((model_image, ensemble_image, hello_image))
        record.extend(area.measure(area.SloSubject(effort, pictures, place, images, progress), wanted, left_out))
    record.finish(lambda _: Page("Deadlines, admission and receipts: the figures", "make bench-slo", NOTES, area.PLOTS))
    _say_what_is_missing(left_out)


@app.command()
def workbench(
    json: Json = None,
    report: Report = None,
    quick: Quick = False,
    picture: Annotated[
        Path, typer.Option(help="What the models look at; by default that of Debian's package darknet.")
    ] = Path("/usr/share/darknet/data/dog.jpg"),
    parts: Annotated[
        str,
        typer.Option(help="Of page, graph, reach, users, resume, isolation, schema, upload and table; all by default."),
    ] = "",
    merge: Merge = False,
) -> None:
    """Measure the console and the workbench: a page in Chromium, people at once, a kill, and what is refused."""
    from services.bench import workbench as area
    from services.bench.report import Page
    from services.bench.workbench_subject import WorkbenchSubject
    from services.cli.bench_record import BenchRecord, FigureOutputs

    wanted = _chosen(parts, area.PARTS, "--parts")
    record = BenchRecord("workbench", area.PACKAGES, lambda _: area.BARS, FigureOutputs(json, report, merge))
    effort = area.QUICK_EFFORT if quick else area.FULL_EFFORT
    left_out: dict[str, str] = {}
    with showing_progress("", Console(stderr=True)) as progress:
        record.extend(area.measure(WorkbenchSubject(effort, picture), wanted, progress, left_out))
    record.finish(
        lambda figures: Page(
            "The console's and the workbench's figures",
            "make bench-workbench",
            area.notes(figures),
            tabulated=("table_1.",),
        )
    )
    _say_what_is_missing(left_out)


def _say_what_is_missing(left_out: Mapping[str, str]) -> None:
    """Raises Unavailable where a part was not measured."""
    if left_out:
        raise Unavailable("not measured: " + "; ".join(f"{part} ({reason})" for part, reason in left_out.items()))


def _possible(wanted: list[str], on_knative: Sequence[str], asked: bool) -> list[str]:
    """What of the wanted parts can be measured: without a cluster, those that need none; say which are left out.

    Raises:
        BadParameter: they were `asked` for by name.
    """
    left_out = [part for part in wanted if part in on_knative]
    if not left_out or "KUBECONFIG" in os.environ:
        return wanted
    verb = "needs" if len(left_out) == 1 else "need"
    needs = f"{' and '.join(left_out)} {verb} a cluster with Knative Serving that KUBECONFIG names (k8s/README.md)"
    if asked:
        raise typer.BadParameter(needs, param_hint="--parts")
    Console(stderr=True).print(f"Left out: {needs}.", highlight=False, soft_wrap=True)
    return [part for part in wanted if part not in left_out]


def _chosen(given: str, known: Sequence[str], option: str) -> list[str]:
    """What a list with commas names, in the order that is known; all where it is empty."""
    names = [name.strip() for name in given.split(",") if name.strip()] or list(known)
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(known)}", param_hint=option)
    return [name for name in known if name in names]
