"""How a command says that it failed: a line on standard error, and an exit code."""

import typer

from services.edge.status import is_askers_fault

EXIT_FAULT = 1
EXIT_BAD_INPUT = 2


def tell(kind: str, message: str) -> None:
    """Print what went wrong."""
    typer.secho(f"{kind}: ", err=True, fg="red", bold=True, nl=False)
    typer.echo(message, err=True)


def exit_code_of(error: Exception) -> int:
    """Wrong input, what does not exist and what is not supported are the caller's to mend (2); all else is a fault (1).

    Services end with 2 for the same.
    """
    return EXIT_BAD_INPUT if is_askers_fault(error) else EXIT_FAULT
