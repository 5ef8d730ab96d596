"""The tree of verbs. Their modules import heavy things inside functions: `--help` must not wait for torch."""

import importlib
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from quant.errors import QuantError
from services.edge.errors import StrataError

EXIT_FAULT = 1
EXIT_BAD_INPUT = 2

app = typer.Typer(
    name="strata",
    help="Serverless inference for image models: ensembles, stages and int8, layer by layer.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"strata {version('strata')}")
        raise typer.Exit


@app.callback()
def strata(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Serverless inference for image models: ensembles, stages and int8, layer by layer."""


for _verb in ("models", "ensemble", "serve", "quant", "bench"):
    app.add_typer(importlib.import_module(f"services.cli.{_verb}").app, name=_verb)


def main() -> None:
    """Run the command and exit: 0 done, 1 a fault or a failed service, 2 wrong input or usage."""
    try:
        app()
    except (StrataError, QuantError) as error:
        _tell(type(error).__name__, str(error))
        sys.exit(exit_code_of(error))
    except OSError as error:
        # A folder that cannot be written, a full disk: what happened says it all, where it happened does not.
        _tell("OSError", f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(EXIT_FAULT)
    except KeyboardInterrupt:
        sys.exit(130)


def _tell(kind: str, message: str) -> None:
    typer.secho(f"{kind}: ", err=True, fg="red", bold=True, nl=False)
    typer.echo(message, err=True)


def exit_code_of(error: Exception) -> int:
    """Wrong input and what does not exist are the caller's to mend (2); everything else is a fault (1)."""
    from services.edge.status import status_of

    return EXIT_BAD_INPUT if 400 <= status_of(error).http_code < 500 else EXIT_FAULT
