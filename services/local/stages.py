"""Compiled stages as local services."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

from services.edge.cpu_share import thread_count
from services.local.supervisor import Supervisor, local_services


def local_stages(
    folders: Mapping[str, Path],
    stores: Sequence[str],
    logs: Path,
    idle_s: float = 300.0,
    start_timeout_s: float = 180.0,
) -> Supervisor:
    """Supervise compiled stages on this machine; see `local_services`.

    Each computes as many records at a time as there are CPUs, on one thread each, so that any stage can use all of them
    while the others have nothing to do.

    Args:
        folders: of each, by its name.
        stores: URLs that the stages may use.
    """
    settings = {
        name: {
            "STAGE_COMPILED": os.fspath(folder.resolve()),
            "STAGE_STORES": " ".join(stores),
            "STAGE_THREADS": "1",
            "STAGE_CONCURRENCY": str(thread_count()),
        }
        for name, folder in folders.items()
    }
    return local_services("services.stage", settings, logs, idle_s, start_timeout_s)
