"""The tree of verbs. Their modules import heavy things inside functions: `--help` must not wait for torch."""

import importlib
import sys
from importlib.metadata import version
from typing import Annotated

import typer

from quant.errors import QuantError
from services.cli.cold import cold
from services.cli.load import load
from services.cli.receipts import receipts
from services.cli.status import status
from services.cli.wake import wake
from services.edge.errors import StrataError

app = typer.Typer(
    name="strata",
    help="Serverless inference for image models: ensembles, stages and int8, layer by layer.",
    epilog="To begin: `strata serve start ENSEMBLE.yaml`, `strata console start`, or `strata models`.",
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


for _verb in ("models", "ensemble", "serve", "console", "pipeline", "quant", "bench"):
    app.add_typer(importlib.import_module(f"services.cli.{_verb}").app, name=_verb)
for _command in (load, status, receipts, wake, cold):
    app.command(rich_help_panel="Of what is served, here or on a cluster")(_command)


def main() -> None:
    """Run the command and exit: 0 done, 1 a fault or a failed service, 2 wrong input or usage."""
    try:
        app()
    except (StrataError, QuantError) as error:
        # Imported here: finding the status takes gRPC's import.
        from services.cli.failures import exit_code_of, tell

        tell(type(error).__name__, str(error))
        sys.exit(exit_code_of(error))
    except OSError as error:
        from services.cli.failures import EXIT_FAULT, tell

        # A folder that cannot be written, a full disk: what happened says it all, where it happened does not.
        tell("OSError", f"{error.filename}: {error.strerror}" if error.filename else str(error))
        sys.exit(EXIT_FAULT)
    except KeyboardInterrupt:
        sys.exit(130)
