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
    idle_s: float,
    start_timeout_s: float = 180.0,
) -> Supervisor:
    """Supervise compiled stages on this machine; see `local_services` and `stage_settings`.

    Args:
        folders: of each, by its name.
        idle_s: longer than a call may take: a stage that computes is not asked for meanwhile.
    """
    settings = {name: stage_settings(folder, stores) for name, folder in folders.items()}
    return local_services("services.stage", settings, logs, idle_s, start_timeout_s)


def stage_settings(folder: Path, stores: Sequence[str]) -> dict[str, str]:
    """Settings of a compiled stage on this machine.

    It computes as many records at a time as there are CPUs, on one thread each, so that any stage can use all of them
    while the others have nothing to do.

    Args:
        stores: URLs that it may use.
    """
    return {
        "STAGE_COMPILED": os.fspath(folder.resolve()),
        "STAGE_STORES": " ".join(stores),
        "STAGE_THREADS": "1",
        "STAGE_CONCURRENCY": str(thread_count()),
    }
