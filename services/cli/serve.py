"""`strata serve`: an ensemble on this machine, in the foreground or left running."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from services.edge.address import split_address

if TYPE_CHECKING:
    from services.local.running import Running

app = typer.Typer(help="Serve an ensemble from this machine: HTTP, OpenAPI page and gRPC.", no_args_is_help=True)


def _address(given: str) -> str:
    try:
        split_address(given)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from error
    return given


Files = Annotated[list[Path], typer.Argument(metavar="ENSEMBLE.yaml...", help="Ensemble files to serve.")]
Http = Annotated[
    str, typer.Option(envvar="STRATA_HTTP", callback=_address, help="host:port for HTTP; port 0 takes any free one.")
]
Grpc = Annotated[
    str, typer.Option(envvar="STRATA_GRPC", callback=_address, help="host:port for gRPC; port 0 takes any free one.")
]
Idle = Annotated[float, typer.Option(help="Stop a model that was not asked in this many seconds.", min=1)]

_START_TIMEOUT_S = 900.0
_STOP_TIMEOUT_S = 60.0


@app.command()
def run(files: Files, http: Http = "127.0.0.1:8000", grpc: Grpc = "127.0.0.1:9000", idle_s: Idle = 300.0) -> None:
    """Serve in the foreground until Ctrl-C."""
    from services.cli.local_service import serve_until_stopped
    from services.edge.logs import configure_logs

    configure_logs("serve")
    serve_until_stopped(files, http, grpc, idle_s, _state(), _say)


@app.command()
def start(files: Files, http: Http = "127.0.0.1:8000", grpc: Grpc = "127.0.0.1:9000", idle_s: Idle = 300.0) -> None:
    """Serve in the background and wait until it is ready; a service that already runs is left alone."""
    from services.edge.errors import InvalidDeclaration

    for path in files:
        if not path.is_file():
            raise InvalidDeclaration(f"{path}: no such ensemble file")
    from services.local.running import one_at_a_time

    # Two at once would both find nothing running, and only one of their notes would stay.
    with one_at_a_time(_state()):
        _start(files, http, grpc, idle_s)


def _start(files: list[Path], http: str, grpc: str, idle_s: float) -> None:
    if running := _running():
        typer.echo(f"A service runs already. {_describe(running)}")
        return
    log = _state() / "serve.log"
    with log.open("w") as output:
        options = ["--http", http, "--grpc", grpc, "--idle-s", str(idle_s)]
        process = subprocess.Popen(
            [sys.executable, "-m", "services.cli", "serve", "run", *map(str, files), *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    typer.echo(_describe(_await_ready(process, log)))


@app.command()
def status() -> None:
    """Say what is served and where; exits with 1 when nothing is."""
    running = _running()
    if running is None:
        typer.echo("Nothing is served. Start with: strata serve start ENSEMBLE.yaml")
        raise typer.Exit(1)
    typer.echo(_describe(running))


@app.command()
def stop() -> None:
    """Stop what is served; requests that run have ten seconds to be answered, and are refused (503) after that."""
    from services.local.running import is_running

    running = _running()
    if running is None:
        typer.echo("Nothing is served.")
        return
    os.kill(running.pid, signal.SIGTERM)
    limit = time.monotonic() + _STOP_TIMEOUT_S
    # Its note goes first, so that no new request finds it; its port is free when the process has ended.
    while is_running(running) and time.monotonic() < limit:
        time.sleep(0.1)
    if is_running(running):
        typer.echo(f"Process {running.pid} still runs after {_STOP_TIMEOUT_S:g} s; see {running.log}", err=True)
        raise typer.Exit(1)
    typer.echo("Stopped.")


def _say(step: str, done: int = 0, total: int = 0, /) -> None:  # noqa: ARG001  a `Progress`
    typer.echo(step, err=True)


def _state() -> Path:
    from services.local.running import state_folder

    return state_folder(os.environ)


def _running() -> "Running | None":
    from services.local.running import find_running

    return find_running(_state())


def _describe(running: "Running") -> str:
    """Say where it is; the address alone is the last line, for scripts."""
    page = f"http://{running.http_address}"
    names = ", ".join(running.ensembles)
    return f"Serving {names}: page {page}/docs, gRPC {running.grpc_address}. Stop it with `strata serve stop`.\n{page}"


def _await_ready(process: "subprocess.Popen[bytes]", log: Path) -> "Running":
    """Wait for the service's note, showing the last line of its log as progress.

    Raises:
        Unavailable: it ended, or was not ready in time and was stopped; the message has the log's last lines.
    """
    from services.cli.steps import showing_progress
    from services.edge.errors import Unavailable

    limit = time.monotonic() + _START_TIMEOUT_S
    with showing_progress("starting", Console(stderr=True)) as progress:
        while time.monotonic() < limit:
            running = _running()
            if running and running.pid == process.pid:
                return running
            if process.poll() is not None:
                raise Unavailable(f"the service ended with code {process.returncode}; {log} ends with\n{_tail(log, 5)}")
            progress(_tail(log, 1) or "starting")
            time.sleep(0.1)
    process.terminate()
    raise Unavailable(f"the service was not ready after {_START_TIMEOUT_S:g} s; {log} ends with\n{_tail(log, 5)}")


def _tail(log: Path, lines: int) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])
