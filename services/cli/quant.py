"""`strata quant`: from a float model to integers, and a look into every layer on the way."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from services.cli.quant_begin import (
    integers_told,
    model_catalog,
    one_of,
    open_told,
    out,
    progress_bar,
    tell_of_other_machine,
    tell_of_random_weights,
    told,
    use_processor,
)

app = typer.Typer(help="Quantise a model, and stop, cross or edit any layer of it.", no_args_is_help=True)

ModelName = Annotated[str, typer.Argument(metavar="MODEL", help="A .strata file, or a model by name.")]
Picture = Annotated[Path, typer.Argument(help="A picture: JPEG, PNG, WebP, BMP or GIF.")]
Pictures = Annotated[list[Path], typer.Argument(help="Pictures, or folders of them.")]
Weights = Annotated[str | None, typer.Option(help="random://SEED, file://PATH, s3://... or torchvision://NAME.")]
Size = Annotated[int | None, typer.Option(help="Side of a Darknet network's input, in pixels.", min=32)]
IntegerFile = Annotated[Path | None, typer.Option("--integers", help="From `calibrate`; by default beside MODEL.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
Threads = Annotated[int, typer.Option(help="Threads to compute with; 0 takes all.", min=0)]
ModeName = Annotated[str, typer.Option("--mode", help="float, hybrid, int8 or auto.")]


@app.command("import")
def import_(
    source: Annotated[str, typer.Argument(metavar="CFG|NAME", help="A Darknet .cfg, or a model by name.")],
    darknet_weights: Annotated[Path | None, typer.Argument(metavar="[WEIGHTS]", help="Darknet's .weights.")] = None,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="By default NAME.strata.")] = None,
    labels: Annotated[Path | None, typer.Option(help="A file of class names, one a line.")] = None,
    weights: Weights = None,
    size: Size = None,
) -> None:
    """Make an engine model of a Darknet or torch model."""
    from services.workbench.engine_file import check_model_place, write_model
    from services.workbench.storing import import_model

    if output:
        check_model_place(output)
    model = import_model(source, model_catalog(), darknet_weights, labels, weights, size)
    tell_of_random_weights(model)
    path = output or Path(f"{model.name}.strata")
    write_model(path, model)
    out.print(f"wrote {path}: {len(model.graph.layers)} layers, {path.stat().st_size / 1e6:.1f} MB")


@app.command()
def export(
    model_name: ModelName,
    folder: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path(),
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
) -> None:
    """Write the engine model and its integer weight file, and check that both load back."""
    from services.workbench.storing import export_model

    paths = export_model(open_told(model_name, weights, size), model_name, integers, folder)
    sizes = [path.stat().st_size for path in paths]
    for path, size_bytes in zip(paths, sizes, strict=True):
        out.print(f"wrote {path}: {size_bytes / 1e6:.2f} MB")
    out.print(f"integers are {sizes[1] / sizes[0]:.3f} of the float file")


@app.command()
def calibrate(
    model_name: ModelName,
    pictures: Pictures,
    algorithm: Annotated[str, typer.Option(help="best, log2-paper, pow2, minmax, percentile, mse, kl.")] = "best",
    per: Annotated[str, typer.Option(help="Weights share a scale per `tensor` or per `channel`.")] = "channel",
    augment: Annotated[bool, typer.Option(help="Five pictures of each: rotated, blurred, flipped, flopped.")] = False,
    auto: Annotated[bool, typer.Option(help="Also measure the plan of --mode auto on this machine.")] = False,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The .integers file to write.")] = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Choose every scale in one pass over the pictures, by all algorithms at once."""
    from quant.calibration import Granularity
    from quant.observations import weighted_layers
    from services.cli.quant_tables import choice_table, print_json
    from services.workbench.storing import calibrate_to_file, integer_path
    from services.workbench.usecases import this_machine
    from services.zoo.picture_files import find_pictures

    use_processor(threads)
    granularity = one_of(Granularity, per, "--per")
    model, paths = open_told(model_name, weights, size), find_pictures(pictures)
    path = output or integer_path(model, model_name)
    steps = len(paths) * (5 if augment else 1) + sum(1 for _ in weighted_layers(model.graph))
    clock = time.perf_counter if auto else None
    with progress_bar("calibrating", steps) as step:
        found, choice = calibrate_to_file(
            model, paths, path, algorithm, granularity, augmented=augment, clock=clock, progress=step
        )
    if choice:
        told.print(f"auto takes {choice.chosen}: {choice.reason}; {choice.transitions} transitions")
    if as_json:
        machine = this_machine()._asdict()
        print_json({"file": str(path), **machine, "values": found.values, "weights": found.weights})
        return
    out.print(choice_table("values", found.values.values()))
    out.print(choice_table("weights", found.weights.values()))
    told.print(f"wrote {path}")


@app.command()
def run(
    model_name: ModelName,
    picture: Picture,
    mode: ModeName = "int8",
    top: Annotated[int, typer.Option(help="Classes to print.", min=1)] = 5,
    threshold: Annotated[float, typer.Option(help="The least score of a box.", min=0, max=1)] = 0.5,
    output: Annotated[Path | None, typer.Option("--output", "-o", help="PNG with the boxes drawn.")] = None,
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Run one picture: boxes drawn on it, or the most probable classes."""
    from quant.precision import Mode
    from services.cli.quant_tables import box_lines, class_lines, print_json
    from services.workbench.answers import boxes, top_classes
    from services.workbench.drawing import check_drawable, draw_boxes
    from services.workbench.pictures import as_input, read_picture
    from services.workbench.usecases import engine_of
    from services.zoo.detection import Size as PictureSize

    use_processor(threads)
    chosen = one_of(Mode, mode, "--mode")
    model, pixels = open_told(model_name, weights, size), read_picture(picture)
    if output and not model.detects:
        raise typer.BadParameter(f"{model.name} names classes and draws no boxes", param_hint="--output")
    path = output or Path(f"{picture.stem}.{chosen.value}.png")
    if model.detects:
        check_drawable(path)
    engine = engine_of(model, chosen, integers_told(model, model_name, integers, picture, chosen))
    x = as_input(model, pixels)
    engine.run(x)
    started = time.perf_counter()
    outputs = engine.run(x)
    latency_ms = (time.perf_counter() - started) * 1e3
    answer: dict[str, Any] = {
        "model": model.name,
        "mode": chosen.value,
        "latency_ms": latency_ms,
        "isa": engine.cpu.isa,
    }
    if model.detects:
        found = boxes(model, outputs, PictureSize(*pixels.shape[1:]), threshold)
        draw_boxes(model, pixels, found, path)
        answer |= {"picture": str(path), "boxes": [{"name": model.label(box.label), **vars(box)} for box in found]}
        lines = box_lines(model, found)
    else:
        guesses = top_classes(model, outputs, top)
        answer |= {"classes": [vars(guess) for guess in guesses]}
        lines = class_lines(guesses)
    if as_json:
        print_json(answer)
        return
    for line in lines:
        out.print(line)
    told.print(f"{chosen.value} on {engine.cpu.isa}: {latency_ms:.1f} ms {answer.get('picture', '')}")


@app.command()
def step(
    model_name: ModelName,
    picture: Picture,
    mode: ModeName = "int8",
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
) -> None:
    """Stop at any layer: look, edit, run again, compare, undo, branch. Reads commands from a pipe too.

    Commands: next, back, to, layers, info, statistics, sums, histogram, maps, edit, rerun, compare, undo, branch,
    switch, keep, quit; `help COMMAND` explains one.
    """
    from quant.precision import Mode
    from quant.stepping import Stepper
    from services.cli.quant_step import StepperLoop
    from services.workbench.pictures import as_input, read_picture
    from services.workbench.usecases import variant_of

    use_processor(0)
    chosen = one_of(Mode, mode, "--mode")
    model, pixels = open_told(model_name, weights, size), read_picture(picture)
    found = integers_told(model, model_name, integers, picture, chosen)
    stepper = Stepper(variant_of(model, chosen, found), as_input(model, pixels))
    StepperLoop(model, found, stepper, out, None if sys.stdin.isatty() else sys.stdin).cmdloop()


@app.command()
def cross(
    model_name: ModelName,
    picture: Picture,
    layer: Annotated[str | None, typer.Option(help="One layer only.")] = None,
    mode: ModeName = "int8",
    plot: Annotated[Path | None, typer.Option(help="Also draw the errors into this PNG.")] = None,
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 0,
    as_json: AsJson = False,
) -> None:
    """Run each layer in both precisions on both inputs: own, inherited and total error."""
    from quant.precision import Mode
    from services.cli.quant_tables import crossing_table, print_json
    from services.workbench.drawing import check_drawable, plot_crossings
    from services.workbench.pictures import as_input, read_picture
    from services.workbench.usecases import cross_model, cross_one, this_machine

    use_processor(threads)
    chosen = one_of(Mode, mode, "--mode")
    model, pixels = open_told(model_name, weights, size), read_picture(picture)
    if plot:
        check_drawable(plot)
    if layer is not None:
        model.graph.index(layer)
    found, x = integers_told(model, model_name, integers, picture, chosen), as_input(model, pixels)
    rows = cross_model(model, found, x, chosen) if layer is None else [cross_one(model, found, x, layer, chosen)]
    if plot:
        plot_crossings(f"{model.name}, {chosen.value}", rows, plot)
    if as_json:
        head = {"model": model.name, "mode": chosen.value, **this_machine()._asdict()}
        print_json({**head, "layers": [vars(row) for row in rows]})
        return
    out.print(crossing_table(rows))


@app.command()
def report(
    model_name: ModelName,
    pictures: Pictures,
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
    threads: Threads = 1,
    as_json: AsJson = False,
) -> None:
    """What integers cost and save: answers, time per layer, and the worst layers with a remedy each.

    Pictures in folders named after the model's classes give the top-1 accuracy of every mode.
    """
    from services.cli.quant_tables import print_json, print_report
    from services.workbench.pictures import inputs_of, labels_of
    from services.workbench.report import make_report
    from services.workbench.storing import integers_to_report
    from services.workbench.usecases import NO_AUTO
    from services.zoo.picture_files import find_pictures

    use_processor(threads)
    model, paths = open_told(model_name, weights, size), find_pictures(pictures)
    with progress_bar("measuring", None) as step:
        stored, seen = integers_to_report(model, model_name, integers, paths, told.print, step)
        tell_of_other_machine(stored)
        inputs = inputs_of(model, paths, augmented=False)
        truth = None if model.detects else labels_of(model, paths)
        found = make_report(model, stored, seen, inputs, time.perf_counter, step, truth=truth)
    if not stored.auto_plan:
        told.print(NO_AUTO)
    if as_json:
        print_json(found)
        return
    print_report(found, out)
