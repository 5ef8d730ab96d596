"""The front of auto: what the words of `strata quant calibrate` name of it, as a table and as files."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import typer
from rich.table import Table

from quant.precision import Precision
from services.cli.plotting import check_drawing
from services.cli.quant_begin import only_here
from services.workbench.engine_model import EngineModel
from services.workbench.files import INTEGER_SUFFIX, check_place, make_folder
from services.workbench.front import Front, MeasuredFront
from services.workbench.plots import plot_front
from services.zoo.integer_codec import encode_integers
from services.zoo.integers import Integers


class FrontPlaces(NamedTuple):
    """What was asked for: the budget in points, a drawing's file, a folder for the points', the integers' own file."""

    max_drop: float | None
    plot: Path | None
    points: Path | None
    integers: Path


class FrontFiles(NamedTuple):
    """A measured front and the integers that its plans run with."""

    model: EngineModel
    integers: Integers
    found: MeasuredFront


def check_front_options(context: typer.Context, auto: bool, places: FrontPlaces) -> None:
    """Raises, before the work, where an option of the front cannot be done.

    Raises:
        BadParameter: without --auto, or at a workbench.
        InvalidInput: a place that cannot be written to, or a drawing that is neither .png nor .svg.
    """
    asked = {"--max-drop": places.max_drop, "--plot": places.plot, "--points": places.points}
    for option, value in asked.items():
        if value is not None:
            if not auto:
                raise typer.BadParameter("it is of the plans that --auto measures; add --auto", param_hint=option)
            only_here(context, f"{option} is of plans that are measured on this machine")
    if places.plot:
        check_drawing(places.plot)
    if places.points:
        make_folder(places.points)
        for name in ("float", "int8"):
            check_place(_point_path(places, name), "a file of integers", INTEGER_SUFFIX)


def front_files(front: FrontFiles, places: FrontPlaces) -> dict[Path, bytes]:
    """The content of the drawing, and of each point's integers, whose plan of auto it is."""
    files = dict[Path, bytes]()
    if places.plot:
        title = f"{front.model.name}, auto"
        files[places.plot] = plot_front(title, front.found.front, places.plot.suffix.removeprefix("."))
    if places.points:
        for name in front.found.plans:
            files[_point_path(places, name)] = encode_integers(
                front.model, front.found.integers_of(name, front.integers)
            )
    return files


def front_table(front: Front) -> Table:
    """A row a plan, the fastest first; those that another plan beats in both are left out, but for the one chosen."""
    layers = ("float", "hybrid", "int8")
    table = Table(
        "auto", "plan", "ms", f"points lost ({front.measure})", *(f"{each} layers" for each in layers), "refined for it"
    )
    for point in front.points:
        if point.best or point.name == front.chosen:
            mark = "takes" if point.name == front.chosen else ""
            counts = _counts(point.layers)
            refined = str(point.refined or "")
            table.add_row(mark, point.name, f"{point.ms:.1f}", f"{point.points_lost:.2f}", *counts, refined)
    return table


def _counts(layers: Mapping[Precision, int]) -> list[str]:
    return [str(layers[precision]) for precision in Precision]


def _point_path(places: FrontPlaces, name: str) -> Path:
    assert places.points
    return places.points / f"{places.integers.stem}.{name}{INTEGER_SUFFIX}"
