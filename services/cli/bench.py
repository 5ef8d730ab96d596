"""`strata bench`: measure an area, show it beside its bars, write it as JSON."""

import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from services.bench.cluster import INGRESS

if TYPE_CHECKING:
    from services.bench.document import Provenance
    from services.bench.report import Bars, Page

app = typer.Typer(help="Measure an area and write its figures as JSON.", no_args_is_help=True)

Json = Annotated[Path | None, typer.Option("--json", help="Write the figures to this file.")]
Report = Annotated[Path | None, typer.Option(help="Write a page with table and plot to this Markdown file.")]
Merge = Annotated[bool, typer.Option(help="Keep what the --json file has and this run does not measure.")]
Quick = Annotated[bool, typer.Option(help="Few rounds: to try the benchmark, not to quote it.")]


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
    namespace: Annotated[str, typer.Option(help="Namespace to create, measure in, and remove.")] = "strata-bench",
    ingress: Annotated[str, typer.Option(envvar="INGRESS_URL", help="URL of Knative's ingress gateway.")] = INGRESS,
    model_image: Annotated[
        str, typer.Option(help="Image of a model, with the full-size models inside.")
    ] = "dev.local/strata/model:bench",
    ensemble_image: Annotated[str, typer.Option(help="Image of the ensemble.")] = "dev.local/strata/ensemble:bench",
    hello_image: Annotated[
        str, typer.Option(envvar="HELLO_IMAGE", help="Image of Knative's hello world.")
    ] = "gcr.io/knative-samples/helloworld-go",
) -> None:
    """Measure the ensemble: overhead, speed-up, batches, hops, forward passes, cold starts, accuracy."""
    from urllib.parse import urlsplit

    from quant.cpu import this_cpu
    from services.bench import document
    from services.bench import ensemble as area
    from services.bench.cluster import Cluster
    from services.bench.cluster_figures import Images
    from services.bench.report import Page
    from services.cli.steps import showing_progress
    from services.edge.onednn import isa_cap

    console = Console(stderr=True)
    wanted = _chosen(parts, area.PARTS, "--parts")
    isa = this_cpu(isa_cap()).isa
    provenance = document.provenance(isa, area.PACKAGES)
    figures = document.begun(json, isa) if json and merge else {}
    on_cluster = "KUBECONFIG" in os.environ and set(wanted) & set(area.ON_KNATIVE)
    place = Cluster(namespace, urlsplit(ingress).netloc) if on_cluster else None
    images = Images(model_image, ensemble_image, hello_image)
    with showing_progress("", console) as progress:
        if place:
            place.claim()
        effort = area.QUICK_EFFORT if quick else area.FULL_EFFORT
        subject = area.EnsembleSubject(effort, pictures, place, images, progress)
        try:
            # Written as they come: a run that is stopped keeps what it has measured, and `--merge` goes on from there.
            for found in area.measure(subject, wanted):
                figures |= found
                if json:
                    document.write(json, figures, provenance)
        finally:
            if place:
                progress("removing the namespace")
                place.remove()
    Console().print(document.table("strata bench ensemble", figures, area.BARS))
    if json:
        console.print(f"wrote {json}", markup=False)
    if report:
        page = Page("The ensemble's figures", "make bench-ensemble", area.NOTES, area.PLOTS)
        _publish(report, page, figures, provenance, lambda _: area.BARS, merge)
        console.print(f"wrote {report}", markup=False)


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
    from quant.cpu import this_cpu
    from services.bench import document
    from services.bench import quant as area
    from services.bench.report import Page
    from services.edge.onednn import isa_cap

    console = Console(stderr=True)
    wanted_models = _chosen(models, area.MODELS, "--models")
    wanted_parts = _chosen(parts, area.PARTS, "--parts")
    isa = this_cpu(isa_cap()).isa
    provenance, bars = document.provenance(isa, area.PACKAGES), area.bars(isa)
    figures = document.begun(json, isa) if json and merge else {}
    # Written as they come: a run that is stopped keeps what it has measured, and `--merge` goes on from there.
    for found in area.measure(wanted_models, wanted_parts, 3 if quick else 5, pictures, console.print):
        figures = area.ordered(figures | found)
        if json:
            document.write(json, figures, provenance)
    Console().print(document.table("strata bench quant", figures, bars))
    if json:
        console.print(f"wrote {json}", markup=False)
    if report:
        page = Page("The quantisation engine's figures", "make bench-quant", area.notes(figures), area.PLOTS)
        _publish(report, page, figures, provenance, area.bars, merge)
        console.print(f"wrote {report}", markup=False)


@app.command()
def pipeline(
    json: Json = None,
    report: Report = None,
    quick: Quick = False,
    parts: Annotated[
        str,
        typer.Option(
            help="Of overhead, efficiency, simulation, memory (as root), driver, exact; cold with KUBECONFIG."
        ),
    ] = "",
    merge: Merge = False,
    namespace: Annotated[str, typer.Option(help="Namespace to create, measure in, and remove.")] = "strata-bench",
    ingress: Annotated[str, typer.Option(envvar="INGRESS_URL", help="URL of Knative's ingress gateway.")] = INGRESS,
    model_image: Annotated[str, typer.Option(help="Image of a model.")] = "dev.local/strata/model:bench",
    ensemble_image: Annotated[str, typer.Option(help="Image of the ensemble.")] = "dev.local/strata/ensemble:bench",
    stage_image: Annotated[str, typer.Option(help="Image of a stage.")] = "dev.local/strata/stage:bench",
) -> None:
    """Measure the pipeline: exactness, what cuts cost, what workers bring, memory floors, how well plans predict."""
    from tempfile import TemporaryDirectory
    from urllib.parse import urlsplit

    from quant.cpu import this_cpu
    from services.bench import document
    from services.bench import pipeline as area
    from services.bench.cluster import Cluster
    from services.bench.pipeline_cluster import KnativePlace
    from services.bench.pipeline_notes import notes
    from services.bench.report import Page
    from services.cli.steps import showing_progress
    from services.edge.onednn import isa_cap

    console = Console(stderr=True)
    wanted = _chosen(parts, area.PARTS, "--parts")
    isa = this_cpu(isa_cap()).isa
    provenance = document.provenance(isa, area.PACKAGES)
    figures = document.begun(json, isa) if json and merge else {}
    images = {"model": model_image, "ensemble": ensemble_image, "stage": stage_image}
    cluster = Cluster(namespace, urlsplit(ingress).netloc)
    with showing_progress("", console) as progress, TemporaryDirectory(prefix="strata-bench-") as scratch:
        place = None
        if "KUBECONFIG" in os.environ and area.ON_KNATIVE in wanted:
            place = KnativePlace(cluster, images, quick, progress)
            cluster.claim()
        try:
            # Written as they come: a run that is stopped keeps what it has measured, and `--merge` goes on from there.
            for found in area.measure(wanted, quick, Path(scratch), place, progress):
                figures = area.ordered(figures | found)
                if json:
                    document.write(json, figures, provenance)
        finally:
            if place:
                progress("removing the namespace")
                cluster.remove()
    Console().print(document.table("strata bench pipeline", figures, area.BARS))
    if json:
        console.print(f"wrote {json}", markup=False)
    if report:
        page = Page("The pipeline's figures", "make bench-pipeline", notes(figures), area.PLOTS)
        _publish(report, page, figures, provenance, lambda _: area.BARS, merge)
        console.print(f"wrote {report}", markup=False)


@app.command()
def slo(
    json: Json = None,
    report: Report = None,
    quick: Quick = False,
    parts: Annotated[
        str,
        typer.Option(help="Of receipts, queue, batching, floor, deadline, overload, verdict and soak; all by default."),
    ] = "",
    merge: Merge = False,
) -> None:
    """Measure deadlines, admission, receipts, and whether our verdict on an SLO is that of MLPerf LoadGen."""
    from quant.cpu import this_cpu
    from services.bench import document
    from services.bench import slo as area
    from services.bench.report import Page
    from services.edge.onednn import isa_cap

    console = Console(stderr=True)
    wanted = _chosen(parts, area.PARTS, "--parts")
    isa = this_cpu(isa_cap()).isa
    provenance = document.provenance(isa, area.PACKAGES)
    figures = document.begun(json, isa) if json and merge else {}
    with console.status("") as status:
        for found in area.measure(area.QUICK_EFFORT if quick else area.FULL_EFFORT, wanted, status.update):
            figures |= found
            if json:
                document.write(json, figures, provenance)
    Console().print(document.table("strata bench slo", figures, area.BARS))
    if json:
        console.print(f"wrote {json}", markup=False)
    if report:
        page = Page("Deadlines, admission and receipts: the figures", "make bench-slo", area.NOTES, area.PLOTS)
        _publish(report, page, figures, provenance, lambda _: area.BARS, merge)
        console.print(f"wrote {report}", markup=False)


def _publish(
    path: Path,
    page: "Page",
    figures: Mapping[str, float],
    provenance: "Provenance",
    bars: "Bars",
    continues: bool,
) -> None:
    """Add this run to the page's runs, and write page, history and plot from them."""
    from services.bench.history import BenchRun, keep, runs_of
    from services.bench.report import plot, write_report

    runs = keep(runs_of(path), BenchRun(date.today().isoformat(), figures=figures, **provenance), continues)
    write_report(path, page, runs, bars)
    plot(path.with_suffix(".png"), figures, page.plots)


def _chosen(given: str, known: Sequence[str], option: str) -> list[str]:
    """What a list with commas names, in the order that is known; all where it is empty."""
    names = [name.strip() for name in given.split(",") if name.strip()] or list(known)
    for name in names:
        if name not in known:
            raise typer.BadParameter(f"{name!r} is not one of {', '.join(known)}", param_hint=option)
    return [name for name in known if name in names]
