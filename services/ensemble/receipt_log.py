"""Receipts on disk: a line of JSON each, in files that are appended to and together stay below a bound."""

import errno
import json
import logging
import os
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from services.edge.receipts import Allocation, Receipt, ReceiptLine, Tariff, Usage
from services.ensemble.receipt_sums import Entry

LIMIT_BYTES = 64 * 2**20

_FILES = 8
"""The oldest is deleted where there would be more than the bound: at most this part of all receipts at a time."""

_log = logging.getLogger(__name__)


class ReceiptLog:
    """The receipts of one front door, in a folder that others may share.

    A line is with the kernel before its answer leaves: it outlives this process, however that ends.
    """

    def __init__(self, folder: Path, limit_bytes: int = LIMIT_BYTES, clock: Callable[[], float] = time.time):
        """Make the folder where it does not exist; nothing is written yet.

        Raises:
            OSError: it cannot be made.
        """
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._limit_bytes = limit_bytes
        self._clock = clock
        self._path = folder
        self._file: int | None = None
        self._size_bytes = 0

    def append(self, user: str, ensemble: str, receipt: Receipt, unclaimed: Mapping[str, Allocation]) -> None:
        """Keep a receipt. One that cannot be written is logged, and its answer leaves all the same."""
        entry = Entry(self._clock(), user, ensemble, receipt, unclaimed)
        line = (json.dumps(_to_json(entry), separators=(",", ":")) + "\n").encode()
        try:
            is_full = self._size_bytes + len(line) > self._limit_bytes // _FILES
            # Others that make room in the folder may have taken it away: what is written then, nobody can read.
            if self._file is None or is_full or not self._path.exists():
                self._roll()
            assert self._file is not None
            written_bytes = os.write(self._file, line)
            self._size_bytes += written_bytes
            if written_bytes < len(line):
                self.close()  # what is cut short must not run into the next line
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        except OSError as error:
            _log.error("a receipt is lost: %s: %s", self._folder, error)

    def close(self) -> None:
        """Close the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None

    def _roll(self) -> None:
        """Begin a new file, and make room for it."""
        self.close()
        self._path = self._folder / f"{int(self._clock() * 1e3):013d}-{uuid.uuid4().hex[:8]}.jsonl"
        self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_EXCL, 0o600)
        self._size_bytes = 0
        room_bytes = self._limit_bytes - self._limit_bytes // _FILES
        for path, size_bytes in _last_written_first(self._folder):
            room_bytes -= size_bytes
            if room_bytes < 0 and path != self._path:
                path.unlink(missing_ok=True)


def read_receipts(folder: Path) -> Iterator[Entry]:
    """Read what a folder holds, the oldest file first.

    A line that a crash cut short is left out, and so is a file that made room for newer ones meanwhile.

    Raises:
        OSError: a file cannot be read.
    """
    for path in _files(folder):
        with suppress(FileNotFoundError), path.open(encoding="utf-8", errors="replace") as lines:
            yield from filter(None, map(read_entry, lines))


def read_entry(line: str) -> Entry | None:
    """Read one line; None where it is none."""
    try:
        said = json.loads(line)
        lines = tuple(_line(each) for each in said["lines"])
        unclaimed = {model: Allocation(*each) for model, each in said.get("unclaimed", {}).items()}
        return Entry(said["at"], said["user"], said["ensemble"], Receipt(lines, Tariff(**said["tariff"])), unclaimed)
    except (ValueError, KeyError, TypeError):
        return None


def _last_written_first(folder: Path) -> list[tuple[Path, int]]:
    """The files and their sizes: one that was begun long ago may have the newest line of another front door."""
    found: list[tuple[int, str, int]] = []
    for path in _files(folder):
        with suppress(FileNotFoundError):  # others make room in this folder too
            about = path.stat()
            found.append((about.st_mtime_ns, path.name, about.st_size))
    return [(folder / name, size_bytes) for _, name, size_bytes in sorted(found, reverse=True)]


def _files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.jsonl"))


def _to_json(entry: Entry) -> dict[str, object]:
    lines = entry.receipt.lines
    return {
        "at": entry.at_s,
        "user": entry.user,
        "ensemble": entry.ensemble,
        # Not `asdict`, which copies each number: this is done for each answer.
        "lines": [{**vars(line), "usage": vars(line.usage), "allocation": vars(line.allocation)} for line in lines],
        "tariff": vars(entry.receipt.tariff),
        "unclaimed": {
            model: (allocation.cpu_seconds, allocation.gb_seconds) for model, allocation in entry.unclaimed.items()
        },
    }


def _line(said: dict[str, object]) -> ReceiptLine:
    fields = {**said, "usage": Usage(**said["usage"]), "allocation": Allocation(**said["allocation"])}  # type: ignore[arg-type]
    return ReceiptLine(**fields)  # type: ignore[arg-type]
