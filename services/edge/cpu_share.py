"""How many threads this process may keep busy: the smaller of its CPU affinity and its cgroup's quota."""

import math
import os
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


def thread_count(root: Path = _ROOT, affinity: int | None = None) -> int:
    """Count the threads that never fight over the quota: floor of the share in CPUs, at least 1.

    A share of 1.5 gives 1: a second thread would use the period's quota up early and leave both stopped for its rest.

    Args:
        root: the cgroup file system, version 1 or 2, as this process sees it.
        affinity: CPUs the process may run on; None asks the kernel.
    """
    allowed = affinity if affinity is not None else len(os.sched_getaffinity(0))
    return max(1, math.floor(min(allowed, cpu_quota(root))))


def cpu_quota(root: Path = _ROOT) -> float:
    """Read the CPU limit in CPUs; infinity where there is none or it cannot be read."""
    for read in (_quota_v2, _quota_v1):
        try:
            return read(root)
        except (OSError, ValueError):
            continue
    return math.inf


def _quota_v2(root: Path) -> float:
    quota, period = (root / "cpu.max").read_text().split()
    return math.inf if quota == "max" else int(quota) / int(period)


def _quota_v1(root: Path) -> float:
    quota_us = int((root / "cpu" / "cpu.cfs_quota_us").read_text())
    period_us = int((root / "cpu" / "cpu.cfs_period_us").read_text())
    return math.inf if quota_us <= 0 else quota_us / period_us
