"""`strata serve`: an ensemble on this machine, in the foreground or left running."""

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from services.cli.background import Background, note_as_json
from services.cli.options import Json
from services.edge.address import split_address

if TYPE_CHECKING:
    from services.local.running import Running

app = typer.Typer(help="Serve an ensemble from this machine: HTTP, OpenAPI page and gRPC.", no_args_is_help=True)


def address_of(given: str) -> str:
    """The address itself. Raises BadParameter where it is none."""
    try:
        split_address(given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return given


Files = Annotated[list[Path], typer.Argument(metavar="ENSEMBLE.yaml", help="Ensemble files to serve.")]
Http = Annotated[
    str, typer.Option(envvar="STRATA_HTTP", callback=address_of, help="host:port for HTTP; port 0 takes any free one.")
]
Grpc = Annotated[
    str, typer.Option(envvar="STRATA_GRPC", callback=address_of, help="host:port for gRPC; port 0 takes any free one.")
]
Idle = Annotated[float, typer.Option(help="Stop a model that was not asked in this many seconds.", min=1)]

Cut = Annotated[
    list[str] | None,
    typer.Option(metavar="MODEL", help="Run this model as its stages, a process each. May be repeated."),
]


@app.command()
def run(
    files: Files,
    http: Http = "127.0.0.1:8000",
    grpc: Grpc = "127.0.0.1:9000",
    idle_s: Idle = 300.0,
    cut: Cut = None,
) -> None:
    """Serve in the foreground until Ctrl-C."""
    from services.cli.local_service import serve_until_stopped
    from services.edge.logs import configure_logs

    configure_logs("serve")
    serve_until_stopped(files, http, grpc, idle_s, cut or [], _state(), _say)


@app.command()
def start(
    files: Files,
    http: Http = "127.0.0.1:8000",
    grpc: Grpc = "127.0.0.1:9000",
    idle_s: Idle = 300.0,
    cut: Cut = None,
) -> None:
    """Serve in the background and wait until it is ready; a service that already runs is left alone."""
    from services.edge.errors import InvalidDeclaration
    from services.ensemble.loading import load_ensembles

    for path in files:
        if not path.is_file():
            raise InvalidDeclaration(f"{path}: no such ensemble file")
    load_ensembles(files, os.environ)  # a fault in a file is said here, not by the last lines of a log
    running, ran_already = _background(files, http, grpc, idle_s, cut or ()).start()
    typer.echo(f"A service runs already. {_describe(running)}" if ran_already else _describe(running))


@app.command()
def status(as_json: Json = False) -> None:
    """Say what is served and where; exits with 1 when nothing is."""
    running = _background().find()
    if running is None:
        typer.echo("Nothing is served. Start with: strata serve start ENSEMBLE.yaml", err=as_json)
        raise typer.Exit(1)
    typer.echo(note_as_json(running) if as_json else _describe(running))


@app.command()
def stop() -> None:
    """Stop what is served; requests that run have ten seconds to be answered, and are refused (503) after that."""
    typer.echo("Stopped." if _background().stop() else "Nothing is served.")


def _say(step: str, done: int = 0, total: int = 0, /) -> None:  # noqa: ARG001  a `Progress`
    typer.echo(step, err=True)


def _state() -> Path:
    from services.local.running import state_folder

    return state_folder(os.environ)


def _background(
    files: Sequence[Path] = (), http: str = "", grpc: str = "", idle_s: float = 0.0, cut: Sequence[str] = ()
) -> Background:
    options = ["--http", http, "--grpc", grpc, "--idle-s", str(idle_s)]
    options += [word for model in cut for word in ("--cut", model)]
    return Background(_state(), ["serve", "run", *map(str, files), *options])


def _describe(running: "Running") -> str:
    """Say where it is; the address alone is the last line, for scripts."""
    page = f"http://{running.http_address}"
    names = ", ".join(running.ensembles)
    return f"Serving {names}: page {page}/docs, gRPC {running.grpc_address}. Stop it with `strata serve stop`.\n{page}"
