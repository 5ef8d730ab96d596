"""The note that a local service leaves about itself, for other commands to find: `serve.json` in the state folder."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from services.edge.whole_files import write_whole
from services.local.process_status import status_of_process


@dataclass(frozen=True)
class Running:
    """A service that runs on this machine; addresses are host:port, `began` is when its process did."""

    pid: int
    began: int
    http_address: str
    grpc_address: str
    ensembles: tuple[str, ...]
    log: str


def state_folder(environment: Mapping[str, str]) -> Path:
    """Choose where notes and logs are kept: STRATA_STATE, else XDG_STATE_HOME/strata, else ~/.local/state/strata."""
    if chosen := environment.get("STRATA_STATE"):
        return Path(chosen)
    base = environment.get("XDG_STATE_HOME")
    return (Path(base) if base else Path.home() / ".local" / "state") / "strata"


def began(pid: int) -> int:
    """Say when a process began, as `ProcessStatus` has it; 0 where there is no /proc."""
    status = status_of_process(pid)
    return status.began if status else 0


def is_running(running: Running) -> bool:
    """Tell whether its process has yet to end, and is still the same."""
    try:
        os.kill(running.pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    status = status_of_process(running.pid)
    return status is None or (status.began == running.began and not status.ended)


def find_running(folder: Path) -> Running | None:
    """Read the note; None where there is none, it is no note of ours, or its process has ended."""
    try:
        note = json.loads((folder / "serve.json").read_text())
        running = Running(**{**note, "ensembles": tuple(note["ensembles"])})
        return running if is_running(running) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def announce(folder: Path, running: Running) -> None:
    """Write the note, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole({folder / "serve.json": json.dumps(asdict(running)).encode()})


def withdraw(folder: Path, pid: int) -> None:
    """Remove the note if it is about `pid`; a later service's note stays."""
    running = find_running(folder)
    if running is None or running.pid == pid:
        (folder / "serve.json").unlink(missing_ok=True)
