"""A console over a workbench on this machine, as `strata console start` runs them, used as people do."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx

from services.edge.errors import Unavailable
from services.local.running import find_running

PASSWORD = "correct horse battery"
_WAIT_S = 600.0


@dataclass
class Person:
    """Somebody who is logged in at a console."""

    client: httpx.Client
    name: str

    @property
    def csrf_token(self) -> str:
        return self.client.headers["X-CSRF-Token"]

    def upload(self, path: str, content: bytes) -> str:
        """Keep a file; its id."""
        made = self.client.post("/api/files", params={"path": path}, content=content).raise_for_status()
        return str(made.json()["id"])

    def run(self, **asked: Any) -> dict[str, Any]:
        """Run a model over a picture to its end. Raises Unavailable where it fails."""
        run = self.client.post("/api/runs", json=asked).raise_for_status().json()
        limit_s = time.monotonic() + _WAIT_S
        while run["state"] not in ("done", "failed") and time.monotonic() < limit_s:
            time.sleep(0.1)
            run = self.client.get(f"/api/runs/{run['id']}").raise_for_status().json()
        if run["state"] != "done":
            raise Unavailable(f"{asked['model']} in {asked['mode']}: {run['fault'] or 'not done in time'}")
        found: dict[str, Any] = run
        return found


@dataclass(frozen=True)
class ConsolePlace:
    """A console that runs: `address` is its URL, `pid` its process, whose child the workbench is."""

    address: str
    pid: int

    @contextmanager
    def person(self, name: str) -> Iterator[Person]:
        """Somebody new."""
        with httpx.Client(base_url=self.address, timeout=_WAIT_S) as client:
            account = client.post("/api/account", json={"name": name, "password": PASSWORD}).raise_for_status()
            client.headers["X-CSRF-Token"] = account.json()["csrf_token"]
            yield Person(client, name)

    def workbench_pid(self) -> int:
        """The workbench's process. Raises Unavailable: it does not run."""
        for status in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = status.read_text().rpartition(")")[2].split()
                words = (status.parent / "cmdline").read_bytes().split(b"\0")
            except OSError:
                continue  # ended meanwhile
            if int(fields[1]) == self.pid and b"services.workbench" in words:
                return int(status.parent.name)
        raise Unavailable("the console has no workbench now: it starts one when it is asked for something")


@contextmanager
def console_place() -> Iterator[ConsolePlace]:
    """Start a console with a state of its own; it ends, and the state is removed, at the end."""
    with TemporaryDirectory(prefix="strata-bench-") as state:
        environment = {**os.environ, "STRATA_STATE": state, "CONSOLE_QUOTA_BYTES": str(8 << 30)}
        command = [sys.executable, "-m", "services.cli", "console"]
        started = [*command, "start", "--http", "127.0.0.1:0"]
        subprocess.run(started, env=environment, check=True, stdout=subprocess.DEVNULL)
        try:
            running = find_running(Path(state) / "console")
            assert running
            yield ConsolePlace(f"http://{running.http_address}", running.pid)
        finally:
            subprocess.run([*command, "stop"], env=environment, check=True, stdout=subprocess.DEVNULL)


class WorkbenchProcess(NamedTuple):
    """A workbench that runs alone; `address` is host:port."""

    address: str
    pid: int


@contextmanager
def workbench_process(store: Path, **settings: str) -> Iterator[WorkbenchProcess]:
    """Start a workbench over a store; it is killed at the end, as a node takes a pod away."""
    process = subprocess.Popen(
        [sys.executable, "-m", "services.workbench"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "WORKBENCH_STORE": str(store), **settings},
        text=True,
    )
    try:
        assert process.stdout
        yield WorkbenchProcess(f"127.0.0.1:{json.loads(process.stdout.readline())['grpc_port']}", process.pid)
    finally:
        process.kill()
        process.wait()
        if process.stdout:
            process.stdout.close()


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    """Memory of a process now, or at its most (VmHWM), in MiB; proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024
