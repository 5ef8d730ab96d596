"""Compiled stages as local services."""

import os
from collections.abc import Sequence
from pathlib import Path

from services.edge.cpu_share import thread_count
from services.local.supervisor import Supervisor, local_services


def local_stages(
    folders: Sequence[Path], stores: Sequence[str], logs: Path, idle_s: float = 300.0, start_timeout_s: float = 180.0
) -> Supervisor:
    """Supervise the compiled stages of one chain on this machine, each named by its folder; see `local_services`.

    Each computes as many records at a time as there are CPUs, on one thread each, so that any stage can use all of them
    while the others have nothing to do.

    Args:
        stores: URLs that the stages may use.
    """
    settings = {
        folder.name: {
            "STAGE_COMPILED": os.fspath(folder.resolve()),
            "STAGE_STORES": " ".join(stores),
            "STAGE_THREADS": "1",
            "STAGE_CONCURRENCY": str(thread_count()),
        }
        for folder in folders
    }
    return local_services("services.stage", settings, logs, idle_s, start_timeout_s)
