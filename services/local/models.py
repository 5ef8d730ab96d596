"""Compiled models as local services."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path

from services.edge.cpu_share import thread_count
from services.local.process import LastWords
from services.local.supervisor import Supervisor, local_services
from services.zoo.manifest import Manifest


def local_models(
    compiled: Mapping[str, Path],
    logs: Path,
    idle_s: float = 300.0,
    start_timeout_s: float = 60.0,
    ended: Callable[[str, LastWords], None] = lambda *_: None,
) -> Supervisor:
    """Supervise compiled models on this machine; see `local_services`.

    Args:
        compiled: the folder of each, by its name.
    """
    threads = str(threads_each(thread_count(), len(compiled)))
    settings = {
        name: {
            "MODEL_COMPILED": os.fspath(folder.resolve()),
            "MODEL_THREADS": threads,
            "MODEL_HTTP_ADDRESS": "",
        }
        for name, folder in compiled.items()
    }
    return local_services("services.model", settings, logs, idle_s, start_timeout_s, ended)


def threads_each(cpus: int, models: int) -> int:
    """Split the CPUs among models that may all run at once: no thread of one waits for a CPU another's holds."""
    return max(1, cpus // max(1, models))


def find_model_process(service_pid: int, model: str) -> int | None:
    """Return the process of a model that a service on this machine has started; None where there is none."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if _parent_of(folder) != service_pid:
                continue
            variables = (folder / "environ").read_bytes().split(b"\0")
        except OSError:  # it has ended, or is not ours to see
            continue
        compiled = [each.partition(b"=")[2].decode() for each in variables if each.startswith(b"MODEL_COMPILED=")]
        if compiled and Manifest.read(Path(compiled[0])).name == model:
            return int(folder.name)
    return None


def _parent_of(folder: Path) -> int:
    """proc(5): the fields after the name in parentheses are the state and the parent."""
    return int((folder / "stat").read_text().rpartition(")")[2].split()[1])
