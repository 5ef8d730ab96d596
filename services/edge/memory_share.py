"""How much memory this process may hold: its cgroup's limit, version 1 or 2."""

import math
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")
_FILES = ("memory.max", "memory/memory.limit_in_bytes")
_NO_LIMIT = 2**60
"""Version 1 has no word for none: it says the largest number of whole pages."""


def memory_limit_bytes(root: Path = _ROOT) -> float:
    """Read the limit in bytes; infinity where there is none or it cannot be read.

    Args:
        root: the cgroup file system as this process sees it.
    """
    for name in _FILES:
        try:
            limit = int((root / name).read_text())
        except (OSError, ValueError):  # version 2 writes "max" where there is none
            continue
        return limit if limit < _NO_LIMIT else math.inf
    return math.inf
