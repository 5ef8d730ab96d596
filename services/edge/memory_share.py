"""How much memory this process may hold: the limits of its cgroup and of those that one lies in, version 1 or 2."""

import math
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

_ROOT = Path("/sys/fs/cgroup")
_OWN = Path("/proc/self/cgroup")
_NO_LIMIT = 2**60
"""Version 1 has no word for none: it says the largest number of whole pages."""


def memory_limit_bytes(root: Path = _ROOT, own: Path = _OWN) -> float:
    """Read the smallest limit in bytes; infinity where there is none or it cannot be read.

    Args:
        root: the cgroup file system as this process sees it: in a container often its own cgroup alone.
        own: which cgroups this process is in, as cgroups(7) has it.
    """
    return min((_read(path) for path in _limits(root, memory_cgroups(own))), default=math.inf)


def memory_cgroups(own: Path = _OWN) -> tuple[PurePosixPath, PurePosixPath]:
    """Read the paths of this process's cgroup that counts memory, of version 1 and of version 2; "/" where none is."""
    try:
        lines = [line.split(":", 2) for line in own.read_text().splitlines()]
    except OSError:
        lines = []
    first = next((path for _, names, path in lines if "memory" in names.split(",")), "/")
    second = next((path for _, names, path in lines if not names), "/")
    return PurePosixPath(first), PurePosixPath(second)


def _limits(root: Path, cgroups: tuple[PurePosixPath, PurePosixPath]) -> Iterator[Path]:
    first, second = cgroups
    for each in (first, *first.parents):
        yield root / "memory" / each.relative_to("/") / "memory.limit_in_bytes"
    for each in (second, *second.parents):
        yield root / each.relative_to("/") / "memory.max"


def _read(path: Path) -> float:
    try:
        limit = int(path.read_text())
    except (OSError, ValueError):  # version 2 writes "max" where there is none
        return math.inf
    return limit if limit < _NO_LIMIT else math.inf
