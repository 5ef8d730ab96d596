"""The console on this machine, over a workbench that is a child process while it is asked for something."""

import asyncio
import os
import secrets
from collections.abc import Callable
from functools import partial
from pathlib import Path

from services.cli.console import NOT_BUILT
from services.console.pages import BUNDLE
from services.console.process import Installed, serve
from services.console.settings import PREFIX, settings_from
from services.edge.errors import Unavailable
from services.edge.logs import configure_logs
from services.local.noted_outputs import noted_outputs
from services.local.process_status import Process
from services.local.running import Running, announce, find_running, state_folder, withdraw
from services.local.supervisor import local_services

WORKBENCH = "workbench"
_IDLE_S = 600.0
_START_TIMEOUT_S = 120.0


def serve_until_stopped(http: str, folder: Path, report: Callable[[str], None]) -> None:
    """Serve on `http`, host:port, until SIGTERM or SIGINT; leave a note in `folder` while it lasts.

    Args:
        folder: of the database, the files and the workbench's sessions, unless CONSOLE_* variables name others.
        report: called with a line once the page is there.
    Raises:
        InvalidDeclaration: a setting of the environment is at fault.
        Unavailable: the address is taken or not ours, or another console runs with this folder.
    """
    configure_logs("console")
    if other := find_running(folder):
        raise Unavailable(
            f"process {other.pid} serves the console of {folder}: stop it with `strata console stop`, or set "
            "STRATA_STATE to another folder"
        )
    folder.mkdir(parents=True, exist_ok=True)
    try:
        asyncio.run(_serve(http, folder, report))
    except OSError as error:
        raise Unavailable(f"{error}; choose another with --http (STRATA_CONSOLE); port 0 takes any free one") from error
    finally:
        withdraw(folder, os.getpid())


async def _serve(http: str, folder: Path, report: Callable[[str], None]) -> None:
    key = secrets.token_urlsafe(32)  # of this process and its child, and of nobody else
    own = {
        f"{PREFIX}DATABASE": f"sqlite:///{folder / 'console.db'}",
        f"{PREFIX}STORE": str(folder / "files"),
        **{name: value for name, value in os.environ.items() if name.startswith(PREFIX)},
        f"{PREFIX}TOKEN_KEY": key,
        f"{PREFIX}HTTP_ADDRESS": http,
    }
    settings, host = settings_from(own), http.rpartition(":")[0]

    def ready(port: int) -> None:
        address = f"{host}:{port}"
        began = Process.of(os.getpid()).began
        announce(folder, Running(os.getpid(), began, address, "", (), str(folder / "serve.log")))
        report(f"The console is at http://{address}; Ctrl-C ends it.")
        if not BUNDLE.is_dir():
            report(NOT_BUILT)

    child = {WORKBENCH: {"WORKBENCH_STORE": str(folder / "workbench"), "WORKBENCH_TOKEN_KEY": key}}
    installed = Installed(
        partial(_front_door, state_folder(os.environ)), partial(noted_outputs, state_folder(os.environ))
    )
    async with local_services("services.workbench", child, folder / "logs", _IDLE_S, _START_TIMEOUT_S) as workbench:
        await serve(settings, partial(workbench.channel, WORKBENCH), ready, installed)


def _front_door(state: Path) -> str:
    """The URL of what `strata serve` runs; empty where it runs nothing."""
    running = find_running(state)
    return f"http://{running.http_address}" if running else ""
