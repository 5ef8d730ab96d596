"""What the verbs of `strata quant` begin with: a model opened, its integers found, and what users are told of them."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import typer
from rich.console import Console
from rich.progress import MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

if TYPE_CHECKING:
    from quant.precision import Mode
    from services.workbench.integers import Integers
    from services.workbench.model import Model
    from services.zoo.catalog import Catalog

Choice = TypeVar("Choice", bound=StrEnum)

PIPE_COLUMNS = 160
# what is printed are names from files and from users: brackets and colons in them are not markup
out = Console(width=None if sys.stdout.isatty() else PIPE_COLUMNS, markup=False, emoji=False, highlight=False)
told = Console(stderr=True, markup=False, emoji=False, highlight=False)


def model_catalog() -> "Catalog":
    """The models of STRATA_MODELS over the built-in ones."""
    from services.zoo.catalog import default_catalog

    return default_catalog(os.environ)


def open_told(name: str, weights: str | None, size: int | None) -> "Model":
    """Open a model, and say where its weights are random."""
    from services.workbench.opening import open_model

    model = open_model(name, model_catalog(), weights, size)
    tell_of_random_weights(model)
    return model


def tell_of_random_weights(model: "Model") -> None:
    """One line on stderr, where the model is not trained."""
    if not model.trained:
        told.print(
            f"{model.name} has random weights ({model.weights}): times are real, answers are not", style="yellow"
        )


def integers_told(model: "Model", name: str, given: Path | None, picture: Path, mode: "Mode") -> "Integers":
    """The integers to run one picture with, and a line on stderr where they were made for it or measured elsewhere."""
    from services.workbench.storing import integers_for

    with progress_bar("calibrating", None) as step:
        found = integers_for(model, name, given, picture, mode, told.print, step)
    if mode == "auto":
        tell_of_other_machine(found)
    return found


def tell_of_other_machine(integers: "Integers") -> None:
    """One line on stderr, where the plan of `auto` was measured otherwise than it will run."""
    from services.workbench.usecases import other_machine, this_machine

    if warning := other_machine(integers, this_machine()):
        told.print(warning, style="yellow")


def use_processor(threads: int) -> None:
    """Compute with so many threads (0: all), and say what the processor cannot do.

    Raises:
        BadParameter: more threads than processors: they only wait for each other, and thousands end the process.
    """
    import torch

    from quant.cpu import this_cpu

    if threads > (processors := os.cpu_count() or 1):
        raise typer.BadParameter(f"{threads} threads; this machine has {processors} processors", param_hint="--threads")
    if threads:
        torch.set_num_threads(threads)
    cpu = this_cpu()
    if not cpu.exact_8_bit:
        told.print(f"{cpu.isa} adds 8-bit products inexactly: weights are {cpu.weight_bits}-bit here", style="yellow")


def one_of(kind: type[Choice], word: str, option: str) -> Choice:
    """The member of that name. Raises BadParameter, with all names."""
    try:
        return kind(word)
    except ValueError:
        known = ", ".join(kind)
        raise typer.BadParameter(f"{word!r} is none of {known}", param_hint=option) from None


@contextmanager
def progress_bar(what: str, steps: int | None) -> Iterator[Any]:
    """A bar on a terminal's stderr; what it gives is to be called with each step done."""
    columns = SpinnerColumn(), TextColumn("{task.description}"), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=told, transient=True, disable=not told.is_terminal) as bar:
        task = bar.add_task(what, total=steps)
        yield lambda _: bar.advance(task)
