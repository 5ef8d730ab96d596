"""`strata quant`: from a float model to integers, and a look into every layer on the way."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

Choice = TypeVar("Choice", bound=StrEnum)

if TYPE_CHECKING:
    from services.workbench.model import Model
    from services.workbench.usecases import Integers

app = typer.Typer(help="Quantise a model, and stop, cross or edit any layer of it.", no_args_is_help=True)
PIPE_COLUMNS = 160
out = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS)
told = Console(stderr=True)

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
    from services.edge.errors import InvalidInput
    from services.workbench.engine_file import write_model
    from services.workbench.opening import import_darknet

    if source.endswith(".cfg"):
        if darknet_weights is None:
            raise InvalidInput(f"{source} needs its weights: strata quant import {source} FILE.weights")
        names = tuple(labels.read_text().split("\n")) if labels and labels.is_file() else ()
        model = import_darknet(Path(source), darknet_weights, tuple(name.strip() for name in names if name.strip()))
    else:
        model = _open(source, weights, size)
    path = output or Path(f"{model.name}.strata")
    write_model(path, model)
    out.print(f"wrote {path}: {len(model.graph.layers)} layers, {path.stat().st_size / 1e6:.1f} MB", highlight=False)


@app.command()
def export(
    model_name: ModelName,
    folder: Annotated[Path, typer.Option("--output", "-o", help="The folder to write to.")] = Path(),
    integers: IntegerFile = None,
    weights: Weights = None,
    size: Size = None,
) -> None:
    """Write the engine model and its integer weight file, and check that both load back."""
    from services.edge.errors import FailedPrecondition
    from services.workbench.engine_file import read_model, write_model
    from services.workbench.integer_file import read_integers, write_integers

    model = _open(model_name, weights, size)
    found = _stored_integers(model, model_name, integers)
    if found is None:
        raise FailedPrecondition(
            f"{model_name} is not calibrated; `strata quant calibrate {model_name} PICTURES` first"
        )
    folder.mkdir(parents=True, exist_ok=True)
    paths = folder / f"{model.name}.strata", folder / f"{model.name}.integers"
    write_model(paths[0], model)
    write_integers(paths[1], model, found.calibration, dict(found.auto_plan))
    read_integers(paths[1], read_model(paths[0]))
    sizes = [path.stat().st_size for path in paths]
    for path, size_bytes in zip(paths, sizes, strict=True):
        out.print(f"wrote {path}: {size_bytes / 1e6:.2f} MB", highlight=False)
    out.print(f"integers are {sizes[1] / sizes[0]:.3f} of the float file", highlight=False)


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
    from services.workbench.integer_file import write_integers
    from services.workbench.pictures import find_pictures, inputs_of
    from services.workbench.usecases import AGREEMENT_PICTURES, calibrate_model, choose_auto

    _set_threads(threads)
    granularity = _one_of(Granularity, per, "--per")
    model, paths = _open(model_name, weights, size), find_pictures(pictures)
    steps = len(paths) * (5 if augment else 1) + sum(1 for _ in weighted_layers(model.graph))
    with _progress("calibrating", steps) as step:
        found, _ = calibrate_model(model, paths, algorithm, granularity, augmented=augment, progress=step)
    plan: dict[str, Any] = {}
    if auto:
        inputs = list(inputs_of(model, paths[:AGREEMENT_PICTURES], augmented=False))
        choice = choose_auto(model, found.calibration, inputs, time.perf_counter)
        plan = dict(choice.plan)
        told.print(f"auto takes {choice.chosen}: {choice.reason}; {choice.transitions} transitions", highlight=False)
    path = output or _integer_path(model, model_name)
    write_integers(path, model, found.calibration, plan)
    if as_json:
        print_json({"file": str(path), "values": found.values, "weights": found.weights})
        return
    out.print(choice_table("values", found.values.values()))
    out.print(choice_table("weights", found.weights.values()))
    told.print(f"wrote {path}", highlight=False)


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
    from services.cli.quant_tables import print_json
    from services.workbench.answers import boxes, top_classes
    from services.workbench.drawing import draw_boxes
    from services.workbench.pictures import as_input, read_picture
    from services.workbench.usecases import engine_of
    from services.zoo.detection import Size as PictureSize

    _set_threads(threads)
    chosen = _one_of(Mode, mode, "--mode")
    model, pixels = _open(model_name, weights, size), read_picture(picture)
    engine = engine_of(model, chosen, _integers(model, model_name, integers, [picture], chosen))
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
        path = output or picture.with_name(f"{picture.stem}.{chosen.value}.png").relative_to(picture.parent)
        draw_boxes(model, pixels, found, path)
        answer |= {"picture": str(path), "boxes": [{"name": model.label(box.label), **vars(box)} for box in found]}
        lines = [f"{box.score:6.1%} {model.label(box.label)}" for box in found] or ["no boxes"]
    else:
        guesses = top_classes(model, outputs, top)
        answer |= {"classes": [vars(guess) for guess in guesses]}
        lines = [f"{guess.probability:6.1%} {guess.name}" for guess in guesses]
    if as_json:
        print_json(answer)
        return
    for line in lines:
        out.print(line, highlight=False)
    told.print(f"{chosen.value} on {engine.cpu.isa}: {latency_ms:.1f} ms {answer.get('picture', '')}", highlight=False)


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
    from quant.weight_edits import Variant
    from services.cli.quant_step import StepperLoop
    from services.workbench.pictures import as_input, read_picture
    from services.workbench.usecases import engine_of

    chosen = _one_of(Mode, mode, "--mode")
    model, pixels = _open(model_name, weights, size), read_picture(picture)
    found = _integers(model, model_name, integers, [picture], chosen)
    plan = engine_of(model, chosen, found).plan
    stepper = Stepper(Variant(model.graph, plan, found.calibration), as_input(model, pixels))
    StepperLoop(model, stepper, out, None if sys.stdin.isatty() else sys.stdin).cmdloop()


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
    from services.workbench.drawing import plot_crossings
    from services.workbench.pictures import as_input, read_picture
    from services.workbench.usecases import cross_model

    _set_threads(threads)
    chosen = _one_of(Mode, mode, "--mode")
    model, pixels = _open(model_name, weights, size), read_picture(picture)
    if layer is not None:
        model.graph.index(layer)
    rows = cross_model(
        model, _integers(model, model_name, integers, [picture], chosen), as_input(model, pixels), chosen
    )
    rows = [row for row in rows if layer in (None, row.layer)]
    if plot:
        plot_crossings(f"{model.name}, {chosen.value}", rows, plot)
    if as_json:
        print_json([vars(row) for row in rows])
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
    from quant.observations import observe
    from services.cli.quant_tables import print_json, print_report
    from services.workbench.pictures import find_pictures, inputs_of, labels_of
    from services.workbench.report import make_report
    from services.workbench.usecases import Integers, calibrate_model

    _set_threads(threads)
    model, paths = _open(model_name, weights, size), find_pictures(pictures)
    stored = _stored_integers(model, model_name, integers)
    with _progress("measuring", None) as step:
        inputs = list(inputs_of(model, paths, augmented=False))
        if stored is None:
            told.print("no integers beside the model: calibrating on these pictures", highlight=False)
            calibrated, seen = calibrate_model(model, paths, progress=step)
            stored = Integers(calibrated.calibration)
        else:
            seen = observe(model.graph, inputs)
        truth = None if model.detects else labels_of(model, paths)
        found = make_report(model, stored, seen, inputs, time.perf_counter, step, truth=truth)
    if not stored.auto_plan:
        told.print("auto has no plan yet: `strata quant calibrate --auto` measures one", highlight=False)
    if as_json:
        print_json(found)
        return
    print_report(found, out)


def _open(name: str, weights: str | None, size: int | None) -> "Model":
    import os

    from services.workbench.opening import open_model
    from services.zoo.catalog import default_catalog

    model = open_model(name, default_catalog(os.environ), weights, size)
    if not model.trained:
        told.print(
            f"{model.name} has random weights ({model.weights}): times are real, answers are not", style="yellow"
        )
    return model


def _integer_path(model: "Model", name: str) -> Path:
    return Path(name).with_suffix(".integers") if Path(name).is_file() else Path(f"{model.name}.integers")


def _stored_integers(model: "Model", name: str, given: Path | None) -> "Integers | None":
    from services.workbench.integer_file import read_integers
    from services.workbench.usecases import Integers

    path = given or _integer_path(model, name)
    return Integers(*read_integers(path, model)) if given or path.is_file() else None


def _integers(model: "Model", name: str, given: Path | None, pictures: list[Path], mode: str) -> "Integers":
    """The stored ones; else, where the mode needs some, made from the picture itself and four copies, and said so."""
    from services.workbench.usecases import Integers, calibrate_model

    found = _stored_integers(model, name, given)
    if found is not None or mode == "float":
        return found or Integers()
    told.print("no integers beside the model: calibrating on this picture, augmented to five", highlight=False)
    with _progress("calibrating", None) as step:
        return Integers(calibrate_model(model, pictures, augmented=True, progress=step)[0].calibration)


def _set_threads(threads: int) -> None:
    if threads:
        import torch

        torch.set_num_threads(threads)


def _one_of(kind: type[Choice], word: str, option: str) -> Choice:
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(kind)
        raise typer.BadParameter(f"{word!r} is none of {known}", param_hint=option) from None


@contextmanager
def _progress(what: str, steps: int | None) -> Iterator[Any]:
    columns = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=told, transient=True, disable=not told.is_terminal) as bar:
        task = bar.add_task(what, total=steps)
        yield lambda _: bar.advance(task)
