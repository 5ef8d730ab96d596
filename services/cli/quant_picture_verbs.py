"""The verbs of `strata quant` that run one picture through a model: at once, layer by layer, or in both precisions."""

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from services.cli.quant_begin import compute_here, err, one_of, out, progress_bar, written_now
from services.cli.quant_hints import with_hints
from services.cli.quant_options import (
    AsJson,
    Html,
    IntegerFile,
    ModelName,
    ModeName,
    Picture,
    Size,
    Threads,
    Threshold,
    Weights,
)


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
