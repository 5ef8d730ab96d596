"""`strata quant`: from a float model to integers, and a look into every layer on the way."""

import sys
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from services.cli.quant_begin import (
    compute_here,
    err,
    one_of,
    only_here,
    open_with_notice,
    out,
    pictures_to_measure,
    progress_bar,
    written_now,
)
from services.cli.quant_hints import MEASURE_AUTO, with_hints
from services.cli.serve import address_of

app = typer.Typer(help="Quantise a model, and stop, cross or edit any layer of it.", no_args_is_help=True)


def _workbench_of(given: str | None) -> str | None:
    return given and address_of(given)


@app.callback()
def quant(
    context: typer.Context,
    at: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            envvar="STRATA_WORKBENCH",
            callback=_workbench_of,
            help="A workbench that does the work.",
        ),
    ] = None,
) -> None:
    """Quantise a model, and stop, cross or edit any layer of it, here or at a workbench (`strata quant serve`)."""
    context.obj = at


ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A .strata file, or a model by name.")]
Picture = Annotated[Path, typer.Argument(metavar="PICTURE", help="A picture: JPEG, PNG, WebP, BMP or GIF.")]
Pictures = Annotated[list[Path], typer.Argument(metavar="PICTURE", help="Pictures, or folders of them.")]
Weights = Annotated[
    str | None, typer.Option(help="random://SEED, file://PATH, s3://..., torchvision://NAME or pretrained://NAME.")
]
Size = Annotated[int | None, typer.Option(help="Side of a Darknet network's input, in pixels.", min=32)]
IntegerFile = Annotated[Path | None, typer.Option("--integers", help="From `calibrate`; by default beside MODEL.")]
Recursive = Annotated[
    bool, typer.Option("--recursive", "-r", help="Of a folder with pictures, also those in folders below it.")
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Also write it as a page to this file, which needs no server.")
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Threads = Annotated[int, typer.Option(help="Threads to compute with; 0 takes all.", min=0)]
Threshold = Annotated[float, typer.Option(help="The least score of a box.", min=0, max=1)]
ModeName = Annotated[str, typer.Option("--mode", help="float, hybrid, int8 or auto.")]


@app.command("import")
@with_hints
def import_(
    context: typer.Context,
    source: Annotated[
        str, typer.Argument(metavar="CFG|ONNX|YAML|NAME", help="A Darknet .cfg, .onnx program, model file or name.")
    ],
    darknet_weights: Annotated[Path | None, typer.Argument(metavar="WEIGHTS", help="Darknet's .weights.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="By default NAME.strata.")] = None,
    labels: Annotated[Path | None, typer.Option(help="A file of class names, one a line.")] = None,
    equalised: Annotated[
        bool, typer.Option("--equalise", help="Even the weights' channels out; the float answers stay, bit by bit.")
    ] = False,
    weights: Weights = None,
    size: Size = None,
) -> None:
    """Make an engine model of a Darknet model, an ONNX program, or a model by its file or its name."""
    from services.cli.quant_import import equalised_with_notice, open_source
    from services.workbench.files import MODEL_SUFFIX, check_place, read_labels, write_model

    if output:
        check_place(output, "a model's file", MODEL_SUFFIX)
    model = open_source(context.obj, source, darknet_weights, weights, size)
    if labels:
        model = replace(model, labels=read_labels(labels, model.classes))
    if equalised:
        model = equalised_with_notice(model)
    path = output or Path(f"{model.name}{MODEL_SUFFIX}")
    write_model(path, model)
    out.print(f"wrote {path}: {len(model.graph.layers)} layers, {path.stat().st_size / 1e6:.1f} MB")


@app.command()
@with_hints
def export(
    context: typer.Context,
    model_name: ModelName,
    folder: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path(),
    form: Annotated[str, typer.Option("--format", help="strata, onnx or openvino.")] = "strata",
    mode: Annotated[str, typer.Option("--mode", help="Of a program: float, hybrid, int8 or auto.")] = "int8",
    in_float: Annotated[bool, typer.Option("--float", help="The same as --mode float.")] = False,
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
) -> None:
    """Write model and integers, or a program for other runtimes, named as MODEL is; and check that they load back."""
    from quant.precision import Mode
    from services.cli.quant_export import files_of
    from services.workbench.exporting import ExportForm
    from services.workbench.files import make_folder, stored_integers, write_files

    only_here(context, "export reads a model and its integers from this machine")
    chosen = one_of(ExportForm, form, "--format"), Mode.FLOAT if in_float else one_of(Mode, mode, "--mode")
    model = open_with_notice(model_name, weights, size)
    name = Path(model_name).stem if Path(model_name).is_file() else model.name
    files = files_of(name, model, stored_integers(model, model_name, integers), *chosen)
    make_folder(folder)
    write_files({folder / file: data for file, data in files.items()})
    for file, data in files.items():
        out.print(f"wrote {folder / file}: {len(data) / 1e6:.2f} MB")
    if chosen[0] is ExportForm.STRATA:
        sizes = [len(data) for data in files.values()]
        out.print(f"integers are {sizes[1] / sizes[0]:.3f} of the float file")


@app.command()
@with_hints
def calibrate(
    context: typer.Context,
    model_name: ModelName,
    pictures: Pictures,
    algorithm: Annotated[str, typer.Option(help="best, log2-paper, pow2, minmax, percentile, mse, kl.")] = "best",
    per: Annotated[str, typer.Option(help="Weights share a scale per `tensor` or per `channel`.")] = "channel",
    augment: Annotated[bool, typer.Option(help="Five pictures of each: rotated, blurred, flipped, flopped.")] = False,
    auto: Annotated[bool, typer.Option(help="Also measure the plan of --mode auto on this machine.")] = False,
    max_drop: Annotated[
        float | None, typer.Option(help="Points that auto may lose (1), or nothing is written.", min=0, max=100)
    ] = None,
    plot: Annotated[Path | None, typer.Option(help="Draw auto's plans, loss against time: a .png or .svg.")] = None,
    points: Annotated[Path | None, typer.Option(help="A folder for integers of each plan, to run as auto.")] = None,
    recursive: Recursive = False,
    layers: Annotated[bool, typer.Option("--layers", help="Show every algorithm on every value and layer.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The .integers file to write.")] = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Choose every scale in one pass over the pictures, by all algorithms at once."""
    from quant.calibration import Granularity, only_algorithm
    from services.cli.quant_front import FrontPlaces, check_front_options, front_files, front_table
    from services.cli.quant_tables import calibration_lines, choice_table, print_json
    from services.cli.quant_verbs import calibrate_at
    from services.workbench.files import INTEGER_SUFFIX, check_place, integer_path, write_files
    from services.workbench.workbench import CalibrationRequest

    only_algorithm(algorithm)  # refused now, not when the model has been loaded
    request = CalibrationRequest(algorithm, one_of(Granularity, per, "--per"), augment, auto)
    path = output or integer_path(model_name)
    places = FrontPlaces(max_drop, plot, points, path)
    check_front_options(context, auto, places)
    compute_here(context, threads)
    paths = pictures_to_measure(pictures, recursive)
    check_place(path, "a file of integers", INTEGER_SUFFIX)
    integers, found, front = calibrate_at(context.obj, model_name, paths, request, weights, size, max_drop)
    files = {path: integers} | (front_files(front, places) if front else {})
    replaced = path.exists()
    write_files(files)
    err.print(f"wrote {path}{', in place of the one that was there' if replaced else ''}")
    for each in list(files)[1:]:
        err.print(f"wrote {each}")
    if found.auto:
        err.print(found.auto)
    if as_json:
        head = {"file": str(path), **found.machine._asdict(), "pictures": len(paths)}
        print_json({**head, "values": found.values, "weights": found.weights, "front": found.front})
        return
    if layers:
        out.print(choice_table("values", found.values.values()))
        out.print(choice_table("weights", found.weights.values()))
    folders = Counter(str(each.parent) for each in paths)
    out.print(f"pictures: {', '.join(f'{count} in {folder}' for folder, count in folders.items())}")
    for line in calibration_lines(found):
        out.print(line)
    if found.front:
        out.print(front_table(found.front))


@app.command()
def serve(
    grpc: Annotated[
        str, typer.Option(callback=address_of, help="host:port for gRPC; port 0 takes any free one.")
    ] = "127.0.0.1:9100",
    store: Annotated[
        str | None, typer.Option(help="Where sessions and files are kept: a folder, or s3://BUCKET/PREFIX.")
    ] = None,
) -> None:
    """Serve the workbench over gRPC from this machine until Ctrl-C; sessions are there again at the next start."""
    from services.cli.workbench_service import serve_until_stopped

    serve_until_stopped(grpc, store, lambda line: out.print(line))


@app.command()
@with_hints
def run(
    context: typer.Context,
    model_name: ModelName,
    picture: Picture,
    mode: ModeName = "int8",
    top: Annotated[int, typer.Option(help="Classes to print.", min=1)] = 5,
    threshold: Threshold = 0.5,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG with the boxes drawn.")] = None,
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Run one picture: boxes drawn on it, or the most probable classes."""
    from quant.precision import Mode
    from services.cli.quant_sessions import open_session
    from services.cli.quant_tables import finding_lines, findings_as_json, print_json
    from services.workbench.drawing import draw_boxes
    from services.workbench.files import PICTURE_SUFFIX, check_place, write_picture
    from services.workbench.picture_files import read_picture

    chosen = one_of(Mode, mode, "--mode")
    compute_here(context, threads)
    path = output or Path(f"{picture.stem}.{chosen.value}{PICTURE_SUFFIX}")
    if output:
        check_place(path, "a drawn picture", PICTURE_SUFFIX)
    with open_session(context.obj, model_name, picture, chosen, integers, weights, size) as session:
        model = session.model
        if output and not model.detects:
            raise typer.BadParameter(f"{model.name} names classes and draws no boxes", param_hint="--output")
        if model.detects:
            check_place(path, "a drawn picture", PICTURE_SUFFIX)
        found = session.run(time.perf_counter, top=top, threshold=threshold)
    drawn = {}
    if found.findings.boxes is not None:
        write_picture(path, draw_boxes(model, read_picture(picture), found.findings.boxes))
        drawn = {"picture": str(path)}
    if as_json:
        head = {"model": model.name, "mode": chosen.value, "latency_ms": found.latency_ms, "isa": found.isa}
        print_json({**head, **drawn, **findings_as_json(model, found.findings)})
        return
    for line in finding_lines(model, found.findings):
        out.print(line)
    err.print(f"{chosen.value} on {found.isa}: {found.latency_ms:.1f} ms {drawn.get('picture', '')}")


@app.command()
@with_hints
def step(
    context: typer.Context,
    model_name: ModelName,
    picture: Picture,
    mode: ModeName = "int8",
    threshold: Threshold = 0.5,
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
) -> None:
    """Stop at any layer: look, edit, run again, compare, undo, branch. Reads commands from a pipe too.

    Commands: next, back, to, layers, info, show, statistics, sums, histogram, maps, edit, rerun, compare, undo,
    branch, switch, keep, quit; `help COMMAND` explains one.
    """
    from quant.precision import Mode
    from services.cli.quant_sessions import open_session
    from services.cli.quant_step import StepperLoop

    chosen = one_of(Mode, mode, "--mode")
    compute_here(context, 0)
    with open_session(context.obj, model_name, picture, chosen, integers, weights, size) as session:
        StepperLoop(session, out, None if sys.stdin.isatty() else sys.stdin, threshold).cmdloop()


@app.command()
@with_hints
def cross(
    context: typer.Context,
    model_name: ModelName,
    picture: Picture,
    layer: Annotated[str | None, typer.Option(help="One layer only.")] = None,
    mode: ModeName = "int8",
    plot: Annotated[Path | None, typer.Option(help="Also draw the errors into this PNG.")] = None,
    html: Html = None,
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Run each layer in both precisions on both inputs: own, inherited and total error."""
    from quant.diagnosis import diagnose
    from quant.precision import Mode
    from services.cli.quant_sessions import open_session
    from services.cli.quant_tables import crossing_table, print_json
    from services.edge.crossing_page import crossing_page
    from services.workbench.files import PICTURE_SUFFIX, check_page, check_place, write_files, write_picture
    from services.workbench.plots import plot_crossings

    chosen = one_of(Mode, mode, "--mode")
    compute_here(context, threads)
    if plot:
        check_place(plot, "a drawn picture", PICTURE_SUFFIX)
    if html:
        check_page(html)
    with open_session(context.obj, model_name, picture, chosen, integers, weights, size) as session:
        name, machine = session.model.name, session.machine
        if layer is not None:
            rows = [session.cross_one(layer)]
        else:
            with progress_bar("crossing") as step:
                rows = []
                for row in session.cross():
                    rows.append(row)
                    step("layers", len(rows))
    if plot:
        write_picture(plot, plot_crossings(f"{name}, {chosen.value}", rows))
    if html:
        origin = f"{picture.name}, {machine.isa}, {machine.threads} thread(s), {written_now()}."
        write_files({html: crossing_page(name, chosen.value, origin, rows).encode()})
    if as_json:
        head = {"model": name, "mode": chosen.value, **machine._asdict()}
        print_json({**head, "layers": [vars(row) for row in rows]})
        return
    out.print(crossing_table(rows))
    if layer is None:
        out.print(diagnose(rows).words)


@app.command()
@with_hints
def report(
    context: typer.Context,
    model_name: ModelName,
    pictures: Pictures,
    recursive: Recursive = False,
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 1,
    apply: Annotated[
        Path | None, typer.Option(help="Apply the remedies, and write the integers that come of it to this file.")
    ] = None,
    html: Html = None,
    as_json: AsJson = False,
) -> None:
    """What integers cost and save: answers, time per layer, and the worst layers with a remedy each.

    Pictures in folders named after the model's classes give the top-1 accuracy of every mode.
    """
    from services.cli.quant_tables import print_json, print_report
    from services.cli.quant_verbs import report_at
    from services.workbench.files import INTEGER_SUFFIX, check_page, check_place, write_files
    from services.workbench.report_page import report_page

    compute_here(context, threads)
    paths = pictures_to_measure(pictures, recursive)
    if html:
        check_page(html)
    if apply:
        only_here(context, "remedies are applied on this machine")
        check_place(apply, "a file of integers", INTEGER_SUFFIX)
    found, remedied = report_at(context.obj, model_name, paths, integers, weights, size)
    if html:
        write_files({html: report_page(found, written_now()).encode()})
    if apply and remedied:
        write_files({apply: remedied})
        err.print(f"wrote {apply}: all remedies offered, without a plan of auto")
    elif apply:
        err.print(f"no remedy helps the model: {apply} is not written")
    if "auto" not in found.modes_ms:
        err.print(f"auto has no plan for this model yet: {MEASURE_AUTO}")
    if as_json:
        print_json(found)
        return
    print_report(found, out)


@app.command()
@with_hints
def compare(
    context: typer.Context,
    first: Annotated[str, typer.Argument(metavar="A", help="MODEL or MODEL@MODE; int8 without a mode.")],
    second: Annotated[str, typer.Argument(metavar="B", help="The same, or an .integers file of A's model.")],
    pictures: Pictures,
    recursive: Recursive = False,
    least: Annotated[
        float, typer.Option("--least-agreement", help="Exit with 1 where a smaller share agrees.", min=0, max=1)
    ] = 0.0,
    plot: Annotated[Path | None, typer.Option(help="Also draw the differences into this PNG.")] = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Compare two variants of a network layer by layer: scales, codes, values, and the answers.

    Each side runs on what it computed itself. A network's layers are the same on both sides: two .strata files of one
    model, two files of integers, or one model in two modes.
    """
    from services.cli.quant_compare import answer_lines, compare_at, comparison_table, sides_of
    from services.cli.quant_tables import print_json
    from services.workbench.files import PICTURE_SUFFIX, check_place, write_picture
    from services.workbench.plots import plot_comparison

    sides = sides_of(first, second)
    compute_here(context, threads)
    if plot:
        check_place(plot, "a drawn picture", PICTURE_SUFFIX)
    paths = pictures_to_measure(pictures, recursive)
    found = compare_at(context.obj, sides, paths, weights, size)
    if plot:
        write_picture(plot, plot_comparison(f"{second} against {first}", found.layers))
    if as_json:
        print_json({"first": first, "second": second, **vars(found)})
    else:
        out.print(comparison_table(found.layers))
        for line in answer_lines(found):
            out.print(line)
    if found.agreement < least:
        err.print(f"{found.agreement:.2%} of the answers agree, fewer than {least:.2%}")
        raise typer.Exit(1)
