"""What the verbs of `strata quant` begin with: a model opened, its integers found, and what users read of them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import rich.progress
import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn

from services.edge.progress import Progress

if TYPE_CHECKING:
    from quant.precision import Mode
    from services.workbench.engine_model import EngineModel, KnownModel
    from services.workbench.pictures import DecodedPicture
    from services.zoo.catalog import Catalog
    from services.zoo.integers import Integers

Choice = TypeVar("Choice", bound=StrEnum)

PIPE_COLUMNS = 160
# what is printed are names from files and from users: brackets and colons in them are not markup
out = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS, markup=False, emoji=False, highlight=False)
err = Console(stderr=True, markup=False, emoji=False, highlight=False)


def written_now() -> str:
    """What a page says of when it was written."""
    return f"written {datetime.now().astimezone():%Y-%m-%d %H:%M %Z}"


def model_catalog() -> "Catalog":
    """The models of STRATA_MODELS over the built-in ones."""
    from services.zoo.catalog import default_catalog

    return default_catalog(os.environ)


def open_with_notice(name: str, weights: str | None, size: int | None) -> "EngineModel":
    """Open a model, and say where its weights are random."""
    from services.workbench.opening import open_model

    model = open_model(name, model_catalog(), weights, size)
    tell_of_random_weights(model)
    return model


def tell_of_random_weights(model: "KnownModel") -> None:
    """One line on stderr, where the model is not trained."""
    if not model.trained:
        from services.zoo.pretrained import KNOWN

        trained = f"; `strata models fetch {model.name}` gets trained ones" if model.name in KNOWN else ""
        notice = f"{model.name} has random weights ({model.weights}): times are real, answers are not{trained}"
        err.print(notice, style="yellow")


def integers_with_notice(
    model: "EngineModel", reference: str, given: Path | None, picture: "DecodedPicture", mode: "Mode"
) -> "Integers":
    """The stored integers; else, where the mode needs some, made from the picture itself and four copies.

    A line on stderr says where they were made now, or the plan of `auto` was measured elsewhere.
    """
    from services.workbench.calibrating import calibrate_model
    from services.workbench.files import stored_integers
    from services.zoo.integers import Integers

    found = stored_integers(model, reference, given)
    if found is None and mode in ("hybrid", "int8"):
        err.print("no integers beside the model: calibrating on this picture, augmented to five")
        with progress_bar("calibrating") as step:
            found = calibrate_model(model, [picture], augment=True, refined=False, progress=step).integers
    found = found or Integers()
    if mode == "auto":
        tell_of_other_machine(found)
    return found


def tell_of_other_machine(integers: "Integers") -> None:
    """One line on stderr, where the plan of `auto` was measured otherwise than it will run."""
    from services.workbench.engines import other_machine, this_machine

    if warning := other_machine(integers, this_machine()):
        err.print(f"{warning} with `strata quant calibrate --auto`", style="yellow")


def compute_here(context: typer.Context, threads: int) -> None:
    """Get this processor ready, unless a workbench does the work. Raises BadParameter: see `use_processor`."""
    if context.obj is None:
        use_processor(threads)
    elif threads > 1:
        raise typer.BadParameter("the workbench chooses its threads; leave it out", param_hint="--threads")


def only_here(context: typer.Context, why: str) -> None:
    """Raises BadParameter where a workbench is to do what only this process can."""
    if context.obj is not None:
        raise typer.BadParameter(f"{why}; leave it out", param_hint="--at")


def use_processor(threads: int) -> None:
    """Compute with so many threads (0: all), and say what the processor cannot do.

    Raises:
        BadParameter: more threads than processors: they only wait for each other, and thousands end the process.
    """
    import torch

    from quant.cpu import this_cpu
    from services.edge.onednn import isa_cap

    if threads > (processors := os.cpu_count() or 1):
        raise typer.BadParameter(f"{threads} threads; this machine has {processors} processors", param_hint="--threads")
    if threads:
        torch.set_num_threads(threads)
    cpu = this_cpu(isa_cap())
    if not cpu.exact_8_bit:
        err.print(f"{cpu.isa} adds 8-bit products inexactly: weights are {cpu.weight_bits}-bit here", style="yellow")


def one_of(kind: type[Choice], word: str, option: str) -> Choice:
    """The member of that name. Raises BadParameter, with all names."""
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(kind)
        raise typer.BadParameter(f"{word!r} is not one of {known}", param_hint=option) from None


@contextmanager
def progress_bar(what: str) -> Iterator[Progress]:
    """A bar on a terminal's stderr."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    with rich.progress.Progress(*columns, console=err, transient=True, disable=not err.is_terminal) as bar:
        task = bar.add_task(what, total=None)

        def show(step: str, done: int = 0, total: int = 0) -> None:
            bar.update(task, description=f"{what}: {step}", completed=done, total=total or None)

        yield show


def pictures_to_measure(places: list[Path], recursive: bool) -> list[Path]:
    """The pictures of files and folders; says how many below a folder's own are left out. Raises as `find_pictures`."""
    from services.zoo.picture_files import find_pictures

    paths = find_pictures(places, deep=recursive)
    if left_out := len(find_pictures(places)) - len(paths):
        err.print(f"left out: {left_out} pictures in folders below; --recursive takes them too")
    return paths
