"""How much memory this process may hold: the limits of its cgroup and of those that one lies in, version 1 or 2."""

import math
from pathlib import Path

from services.edge.cgroups import OWN, ROOT, folders_of

_NO_LIMIT = 2**60
"""Version 1 has no word for none: it says the largest number of whole pages."""


def memory_limit_bytes(root: Path = ROOT, own: Path = OWN) -> float:
    """Read the smallest limit in bytes; infinity where there is none or it cannot be read."""
    first, second = folders_of("memory", root, own)
    limits = [*(folder / "memory.limit_in_bytes" for folder in first), *(folder / "memory.max" for folder in second)]
    return min(map(_read, limits))


def _read(path: Path) -> float:
    try:
        limit = int(path.read_text())
    except (OSError, ValueError):  # version 2 writes "max" where there is none
        return math.inf
    return limit if limit < _NO_LIMIT else math.inf
