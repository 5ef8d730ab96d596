"""A cgroup of our own with a memory limit, for one process that is to be started in it: version 1 or 2."""

import itertools
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from services.edge.cgroups import ROOT, cgroups_of
from services.edge.errors import Unsupported

_JOIN = 'echo $$ >"$0" && exec "$@"'
_REMOVE_TRIES = 50
_numbers = itertools.count()


@dataclass(frozen=True)
class MemoryGroup:
    """The cgroup's folder."""

    folder: Path

    @property
    def wrapper(self) -> tuple[str, ...]:
        """What to put before a command so that it is in the cgroup from its first byte on."""
        return ("sh", "-c", _JOIN, str(self.folder / "cgroup.procs"))

    def oom_kills(self) -> int:
        """Count the processes that the kernel has ended here because the memory was used up."""
        for name in ("memory.oom_control", "memory.events"):
            path = self.folder / name
            if path.is_file():
                counts = dict(line.split() for line in path.read_text().splitlines())
                return int(counts.get("oom_kill", 0))
        return 0


@contextmanager
def memory_group(limit_bytes: int, root: Path = ROOT) -> Iterator[MemoryGroup]:
    """Make a cgroup in which all processes together hold at most `limit_bytes`, without swap; remove it at the end.

    Raises:
        Unsupported: no cgroup that counts memory can be made here.
    """
    parent = _parent(root)
    folder = parent / f"strata-{os.getpid()}-{next(_numbers)}"
    try:
        folder.mkdir()
        _limit(folder, limit_bytes)
    except OSError as error:
        raise Unsupported(
            f"{parent}: cannot make a memory cgroup here: {error.strerror}; run as root, on the machine or in a "
            "container with its own writable cgroup file system"
        ) from error
    try:
        yield MemoryGroup(folder)
    finally:
        _remove(folder)


def _parent(root: Path) -> Path:
    """Find the nearest cgroup that this process lies in and that can have one with a memory limit below it."""
    first, second = cgroups_of("memory")
    if (root / "memory").is_dir():
        own = root / "memory" / first.relative_to("/")
        return own if own.is_dir() else root / "memory"
    # Of version 2, only one that hands the controller on can; one that has processes of its own cannot hand it on.
    for each in (second, *second.parents):
        folder = root / each.relative_to("/")
        try:
            if "memory" in (folder / "cgroup.subtree_control").read_text().split():
                return folder
        except OSError:
            continue
    raise Unsupported(f"{root}: no memory cgroups here, of version 1 or 2: a stage's memory cannot be limited")


def _limit(folder: Path, limit_bytes: int) -> None:
    first, second = folder / "memory.limit_in_bytes", folder / "memory.max"
    (first if first.exists() else second).write_text(str(limit_bytes))
    for name, none in (("memory.swappiness", "0"), ("memory.swap.max", "0"), ("memory.oom.group", "1")):
        if (folder / name).exists():
            (folder / name).write_text(none)


def _remove(folder: Path) -> None:
    """The kernel frees a cgroup a moment after its last process has ended."""
    for _ in range(_REMOVE_TRIES):
        try:
            folder.rmdir()
        except OSError:
            time.sleep(0.1)
        else:
            return
    folder.rmdir()  # says what is wrong
