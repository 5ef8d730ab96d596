"""The note that a local service leaves about itself, for other commands to find: `serve.json` in the state folder."""

import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Running:
    """A service that runs on this machine; addresses are host:port, `began` is what `began` says of its process."""

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
    """Say when a process started, in clock ticks since the machine did; 0 where there is no /proc.

    Numbers of processes are used again, also after a restart of the machine: only with this one is it the same process.

    Raises:
        ProcessLookupError: there is no such process.
    """
    os.kill(pid, 0)
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return 0
    # proc(5): the second field is a name in parentheses, which may hold any; `starttime` is the 22nd.
    return int(status.rpartition(")")[2].split()[19])


def find_running(folder: Path) -> Running | None:
    """Read the note; None where there is none, it is no note of ours, or its process has ended."""
    try:
        note = json.loads((folder / "serve.json").read_text())
        running = Running(**{**note, "ensembles": tuple(note["ensembles"])})
        return running if began(running.pid) == running.began else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def announce(folder: Path, running: Running) -> None:
    """Write the note, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile("w", dir=folder, delete=False) as file:
        json.dump(asdict(running), file)
    Path(file.name).replace(folder / "serve.json")


def withdraw(folder: Path, pid: int) -> None:
    """Remove the note if it is about `pid`; a later service's note stays."""
    running = find_running(folder)
    if running is None or running.pid == pid:
        (folder / "serve.json").unlink(missing_ok=True)
