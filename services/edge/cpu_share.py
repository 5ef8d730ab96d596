"""How many threads this process may keep busy: the smaller of its CPU affinity and its cgroups' quotas."""

import math
import os
from pathlib import Path

from services.edge.cgroups import OWN, ROOT, folders_of


def thread_count(root: Path = ROOT, own: Path = OWN, affinity: int | None = None) -> int:
    """Count the threads that never fight over the quota: floor of the share in CPUs, at least 1.

    A share of 1.5 gives 1: a second thread would use the period's quota up early and leave both stopped for its rest.

    Args:
        affinity: CPUs the process may run on; None asks the kernel.
    """
    allowed = affinity if affinity is not None else len(os.sched_getaffinity(0))
    return max(1, math.floor(min(allowed, cpu_quota(root, own))))


def cpu_quota(root: Path = ROOT, own: Path = OWN) -> float:
    """Read the smallest limit in CPUs; infinity where there is none or it cannot be read."""
    first, second = folders_of("cpu", root, own)
    return min(*map(_quota_v1, first), *map(_quota_v2, second))


def _quota_v2(folder: Path) -> float:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return math.inf if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return math.inf


def _quota_v1(folder: Path) -> float:
    try:
        quota_us = int((folder / "cpu.cfs_quota_us").read_text())
        period_us = int((folder / "cpu.cfs_period_us").read_text())
        return math.inf if quota_us <= 0 else quota_us / period_us
    except (OSError, ValueError):
        return math.inf
