"""The verbs of `strata quant` that make files: a model of what it is given, its integers, programs for others."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from services.cli.completions import ALGORITHMS, EXPORT_FORMS, GRANULARITIES, MODES, engine_source, one_of_words
from services.cli.quant_begin import compute_here, err, one_of, only_here, open_with_notice, out, pictures_to_measure
from services.cli.quant_hints import with_hints
from services.cli.quant_options import AsJson, IntegerFile, ModelName, Pictures, Recursive, Size, Threads, Weights


@with_hints
def import_(
    context: typer.Context,
    source: Annotated[
        str,
        typer.Argument(
            metavar="CFG|ONNX|YAML|NAME",
            autocompletion=engine_source,
            help="A Darknet .cfg, .onnx program, model file or name.",
        ),
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


@with_hints
def export(
    context: typer.Context,
    model_name: ModelName,
    folder: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path(),
    form: Annotated[
        str, typer.Option("--format", autocompletion=one_of_words(EXPORT_FORMS), help="strata, onnx or openvino.")
    ] = "strata",
    mode: Annotated[
        str,
        typer.Option("--mode", autocompletion=one_of_words(MODES), help="Of a program: float, hybrid, int8 or auto."),
    ] = "int8",
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


@with_hints
def calibrate(
    context: typer.Context,
    model_name: ModelName,
    pictures: Pictures,
    algorithm: Annotated[
        str,
        typer.Option(
            autocompletion=one_of_words(ALGORITHMS), help="best, log2-paper, pow2, minmax, percentile, mse, kl."
        ),
    ] = "best",
    per: Annotated[
        str,
        typer.Option(
            autocompletion=one_of_words(GRANULARITIES), help="Weights share a scale per `tensor` or per `channel`."
        ),
    ] = "channel",
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
    from services.cli.quant_at import calibrate_at
    from services.cli.quant_front import FrontPlaces, check_front_options, front_files, front_table
    from services.cli.quant_tables import calibration_lines, choice_table, print_json
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
