"""A service of this machine that goes on after its command: started, found and stopped by the note in its folder."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import typer
from rich.console import Console

if TYPE_CHECKING:
    from services.local.running import Running

_START_TIMEOUT_S = 900.0
_STOP_TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Background:
    """One such service.

    Attributes:
        folder: of its note and its log.
        command: the words of `strata` that run it in the foreground.
    """

    folder: Path
    command: Sequence[str]

    def find(self) -> "Running | None":
        """The note of the one that runs."""
        from services.local.running import find_running

        return find_running(self.folder)

    def start(self) -> tuple["Running", bool]:
        """Start it and wait until it is ready; say whether it ran already.

        Raises:
            Unavailable: it ended, or was not ready in time and was stopped; the message has the log's last lines.
        """
        from services.local.running import one_at_a_time

        # Two at once would both find nothing running, and only one of their notes would stay.
        with one_at_a_time(self.folder):
            if running := self.find():
                return running, True
            log = self.folder / "serve.log"
            with log.open("w") as output:
                process = subprocess.Popen(
                    [sys.executable, "-m", "services.cli", *self.command],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    start_new_session=True,
                )
            return self._await_ready(process, log), False

    def stop(self) -> bool:
        """Stop it and wait until it has ended; False where nothing runs. Exits with 1 where it does not end."""
        from services.local.running import is_running

        running = self.find()
        if running is None:
            return False
        os.kill(running.pid, signal.SIGTERM)
        limit = time.monotonic() + _STOP_TIMEOUT_S
        # Its note goes first, so that no new request finds it; its port is free when the process has ended.
        while is_running(running) and time.monotonic() < limit:
            time.sleep(0.1)
        if is_running(running):
            typer.echo(f"Process {running.pid} still runs after {_STOP_TIMEOUT_S:g} s; see {running.log}", err=True)
            raise typer.Exit(1)
        return True

    def _await_ready(self, process: "subprocess.Popen[bytes]", log: Path) -> "Running":
        """Wait for the service's note, showing the last line of its log as progress."""
        from services.cli.steps import showing_progress
        from services.edge.errors import Unavailable

        limit = time.monotonic() + _START_TIMEOUT_S
        with showing_progress("starting", Console(stderr=True)) as progress:
            while time.monotonic() < limit:
                running = self.find()
                if running and running.pid == process.pid:
                    return running
                if process.poll() is not None:
                    ends = _tail(log, 5)
                    raise Unavailable(f"the service ended with code {process.returncode}; {log} ends with\n{ends}")
                progress(_said(_tail(log, 1)) or "starting")
                time.sleep(0.1)
        process.terminate()
        raise Unavailable(f"the service was not ready after {_START_TIMEOUT_S:g} s; {log} ends with\n{_tail(log, 5)}")


def _tail(log: Path, lines: int) -> str:
    return "\n".join(log.read_text(errors="replace").splitlines()[-lines:])


def _said(line: str) -> str:
    """What a line of a log says to people."""
    try:
        return str(json.loads(line)["event"])
    except (ValueError, LookupError, TypeError):
        return line


def note_as_json(running: "Running") -> str:
    """What a script asks of one that runs: its addresses, what it serves, its process and its log."""
    known = ("http_address", "grpc_address", "ensembles", "pid", "log")
    return json.dumps({name: getattr(running, name) for name in known}, indent=1)
