"""`strata console`: the web page on this machine, in the foreground or left running."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.background import Background, note_as_json
from services.cli.options import Json
from services.cli.serve import address_of

if TYPE_CHECKING:
    from services.local.running import Running

app = typer.Typer(help="The web page: files, runs, and models stepped layer by layer.", no_args_is_help=True)

Http = Annotated[
    str, typer.Option(envvar="STRATA_CONSOLE", callback=address_of, help="host:port; port 0 takes any free one.")
]
_HTTP = "127.0.0.1:8080"
NOT_BUILT = "Its page is not built: run `make web` in the source."


@app.command()
def run(http: Http = _HTTP) -> None:
    """Serve in the foreground until Ctrl-C."""
    from services.cli.console_service import serve_until_stopped

    serve_until_stopped(http, _folder(), lambda line: typer.echo(line, err=True))


@app.command()
def start(http: Http = _HTTP) -> None:
    """Serve in the background and wait until it is ready; one that already runs is left alone."""
    from services.console.pages import BUNDLE

    running, ran_already = _background(http).start()
    typer.echo(f"A console runs already. {_describe(running)}" if ran_already else _describe(running))
    if not BUNDLE.is_dir():
        typer.echo(NOT_BUILT, err=True)


@app.command()
def status(as_json: Json = False) -> None:
    """Say where the page is; exits with 1 when it is not served."""
    running = _background().find()
    if running is None:
        typer.echo("The console is not served. Start it with: strata console start", err=as_json)
        raise typer.Exit(1)
    typer.echo(note_as_json(running) if as_json else _describe(running))


@app.command()
def stop() -> None:
    """Stop it; runs under way go on at the next start."""
    typer.echo("Stopped." if _background().stop() else "The console is not served.")


def _folder() -> Path:
    from services.local.running import state_folder

    return state_folder(os.environ) / "console"


def _background(http: str = _HTTP) -> Background:
    return Background(_folder(), ["console", "run", "--http", http])


def _describe(running: "Running") -> str:
    """Say where it is; the address alone is the last line, for scripts."""
    return (
        f"The console: sign up, then open a model. Stop it with `strata console stop`.\nhttp://{running.http_address}"
    )
