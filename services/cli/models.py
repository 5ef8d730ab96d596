"""`strata models`: what can be called by name."""

import json
import os
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Column, Table

if TYPE_CHECKING:
    from services.zoo.catalog import Catalog
    from services.zoo.model_file import ModelFile

app = typer.Typer(
    help="List the models that can be called by name, and describe one.",
    invoke_without_command=True,
    no_args_is_help=False,
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.callback()
def models(context: typer.Context, as_json: Json = False) -> None:
    """List the models: those of the folders in STRATA_MODELS, the shipped example's, and the built-in ones."""
    if context.invoked_subcommand is not None:
        return
    catalog = _catalog()
    rows = [_row(catalog.model(name)) for name in catalog.names()]
    if as_json:
        typer.echo(json.dumps(rows, indent=1))
        return
    folding = [Column(name, overflow="fold") for name in ("architecture", "weights", "input", "runtime")]
    table = Table(Column("model", no_wrap=True), *folding)
    for row in rows:
        texts = (row["name"], row["architecture"] or "its own", row["weights"], row["input"], row["runtime"])
        table.add_row(*map(escape, texts))
    Console().print(table, highlight=False)


@app.command()
def describe(name: Annotated[str, typer.Argument(help="The model.")], as_json: Json = False) -> None:
    """Say all that a model's file declares."""
    model_file = _catalog().model(name)
    labels = model_file.label_names()
    said = {**model_file.model_dump(mode="json"), "labels": list(labels), "input": vars(model_file.input.spec())}
    if as_json:
        typer.echo(json.dumps(said, indent=1))
        return
    for key, value in said.items():
        shown = f"{len(labels)}: {', '.join(labels[:10])}{' ...' if labels[10:] else ''}" if key == "labels" else value
        typer.echo(f"{key:14} {shown if shown not in (None, {}, '0: ') else '-'}")


def _catalog() -> "Catalog":
    from services.zoo.catalog import default_catalog

    return default_catalog(os.environ)


def _row(model_file: "ModelFile") -> dict[str, Any]:
    height, width = model_file.input.size
    return {
        "name": model_file.name,
        "architecture": model_file.architecture,
        "weights": model_file.weights,
        "input": f"{height} x {width}",
        "runtime": model_file.runtime,
    }
