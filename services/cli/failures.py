"""How a command says that it failed: a line on standard error, and an exit code."""

import typer

from services.edge.errors import Unavailable
from services.edge.status import status_of

EXIT_FAULT = 1
EXIT_BAD_INPUT = 2


def tell(kind: str, message: str) -> None:
    """Print what went wrong."""
    typer.secho(f"{kind}: ", err=True, fg="red", bold=True, nl=False)
    typer.echo(message, err=True)


def exit_code_of(error: Exception) -> int:
    """Wrong input and what does not exist are the caller's to mend (2); everything else is a fault (1)."""
    to_mend = 400 <= status_of(error).http_code < 500 and not isinstance(error, Unavailable)
    return EXIT_BAD_INPUT if to_mend else EXIT_FAULT
