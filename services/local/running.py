"""The note that a local service leaves about itself, for other commands to find: `serve.json` in the state folder."""

import fcntl
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from services.edge.disk_room import try_to_write
from services.edge.errors import Unavailable
from services.edge.whole_files import write_whole
from services.local.process_status import Life, Process

_LEAST_ROOM_BYTES = 1 << 16
"""What a service notes and logs in its first minutes."""


@dataclass(frozen=True)
class Running:
    """A service that runs on this machine; addresses are host:port, `pid` and `began` are its `Process`."""

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


def receipts_folder(state: Path) -> Path:
    """The place for the receipts of every service that ran with a state folder."""
    return state / "receipts"


def is_running(running: Running) -> bool:
    """Tell whether its process has yet to end, and is still the same."""
    return Process(running.pid, running.began).life() is not Life.ENDED


def find_running(folder: Path) -> Running | None:
    """Read the note; None where there is none, it is not a note of ours, or its process has ended."""
    try:
        note = json.loads((folder / "serve.json").read_text())
        running = Running(**{**note, "ensembles": tuple(note["ensembles"])})
        return running if is_running(running) else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def check_state(folder: Path) -> None:
    """Make the state folder, and see that a service can write there. Raises Unavailable."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try_to_write(folder, _LEAST_ROOM_BYTES)
    except OSError as error:
        raise Unavailable(
            f"{folder}: cannot keep notes and logs here: {error.strerror or error}; STRATA_STATE names another folder"
        ) from error


@contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Wait until no other process is between asking for the note and a service's leaving it, and keep others out.

    Raises:
        Unavailable: the folder cannot be written.
    """
    check_state(folder)
    with (folder / "serve.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # ends with the process, however that ends
        yield


def announce(folder: Path, running: Running) -> None:
    """Write the note, whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    write_whole({folder / "serve.json": json.dumps(asdict(running)).encode()})


def withdraw(folder: Path, pid: int) -> None:
    """Remove the note if it is about `pid`; a later service's note stays."""
    running = find_running(folder)
    if running is None or running.pid == pid:
        (folder / "serve.json").unlink(missing_ok=True)
