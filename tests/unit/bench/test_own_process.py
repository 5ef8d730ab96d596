"""A part that is measured in a process of its own: what it found is kept, and nothing of it stays."""

import os
import subprocess
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from tempfile import mkdtemp

import pytest

from services.bench.own_process import Figures, Tell, in_own_process
from services.edge.errors import Unavailable, Unsupported

LONG_S = 120.0
GONE_S = 10.0
"""A process that was killed goes when its processor gets to it, which is later on a busy machine."""


def part(note: Path, way: str, tell: Tell) -> Iterator[Figures]:
    """Start a child, make a folder, find something, and then go on in some way."""
    child = subprocess.Popen(["sleep", str(LONG_S)])
    note.write_text(f"{child.pid} {mkdtemp()}")
    tell("begun")
    yield {"found": 1.0}
    match way:
        case "hangs":
            time.sleep(LONG_S)
        case "lacks":
            raise Unsupported("a browser is missing")
        case "breaks":
            raise ZeroDivisionError("by zero")
        case "ends":
            os._exit(1)


@pytest.mark.parametrize(
    ("way", "fault"),
    [
        ("finishes", ""),
        ("hangs", "not done after 8 s"),
        ("lacks", "a browser is missing"),
        ("breaks", "ZeroDivisionError: by zero"),
        ("ends", "ended before it was done"),
    ],
)
def test_what_was_found_is_kept_and_all_that_ran_has_gone(tmp_path: Path, way: str, fault: str) -> None:
    steps: list[str] = []
    found: list[Figures] = []
    limit_s = 8.0 if way == "hangs" else LONG_S
    if fault:
        with pytest.raises(Unavailable, match=fault):
            found.extend(in_own_process(partial(part, tmp_path / "note", way), limit_s, steps.append))
    else:
        found.extend(in_own_process(partial(part, tmp_path / "note", way), limit_s, steps.append))
    pid, folder = (tmp_path / "note").read_text().split()
    assert (steps, found) == (["begun"], [{"found": 1.0}])
    assert not Path(folder).exists()
    until_s = time.monotonic() + GONE_S
    while _runs(pid) and time.monotonic() < until_s:
        time.sleep(0.05)
    assert not _runs(pid)


def _runs(pid: str) -> bool:
    """Whether a process is more than a line in its parent's table."""
    try:
        return (Path("/proc") / pid / "stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False
