"""This process as the driver of a job, and whether another one on this machine still is."""

import os
import socket
import uuid
from pathlib import Path

from services.artifacts.store import ObjectStore
from services.local.process_status import Life, Process
from services.pipeline.lease import Holder, Lease


def lease_of(store: ObjectStore, job: str) -> Lease:
    """This process's claim to a job."""
    process = Process.of(os.getpid())
    holder = Holder(uuid.uuid4().hex, socket.gethostname(), process.pid, _machine(), process.began)
    return Lease(store, job, holder, _has_ended)


def _has_ended(holder: Holder) -> bool:
    """Only of a process that this one can see: on this machine, since its start, in the same container."""
    if not holder.machine or holder.machine != _machine():
        return False
    return Process(holder.pid, holder.began).life() is not Life.RUNNING


def _machine() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""
