"""A console over a workbench on this machine, as `strata console start` runs them, used as people do."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import httpx

from services.edge.errors import Unavailable
from services.local.running import find_running

PASSWORD = "correct horse battery"
_WAIT_S = 600.0
_START_S, _STOP_S = 120.0, 30.0


@dataclass
class Person:
    """Somebody who is logged in at a console."""

    client: httpx.Client
    name: str
    files: dict[str, str] = field(default_factory=dict)
    """Ids of what `upload_once` has kept, by path."""

    @property
    def csrf_token(self) -> str:
        return self.client.headers["X-CSRF-Token"]

    def upload(self, path: str, content: bytes) -> str:
        """Keep a file; its id."""
        made = self.client.post("/api/files", params={"path": path}, content=content).raise_for_status()
        return str(made.json()["id"])

    def upload_once(self, path: str, content: bytes) -> str:
        """Keep a file unless it is kept already; its id."""
        if path not in self.files:
            self.files[path] = self.upload(path, content)
        return self.files[path]

    def get(self, path: str, **query: str) -> httpx.Response:
        """An answer that is not an error. Raises HTTPStatusError."""
        return self.client.get(path, params=query).raise_for_status()

    def layers(self, run: str) -> list[dict[str, Any]]:
        """The layers of a run's model, in the order they run."""
        found: list[dict[str, Any]] = self.get(f"/api/runs/{run}/graph").json()["layers"]
        return found

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
    """A console that runs: `address` is its URL, `pid` its process."""

    address: str
    pid: int

    @contextmanager
    def person(self, name: str) -> Iterator[Person]:
        """Somebody new."""
        with httpx.Client(base_url=self.address, timeout=_WAIT_S) as client:
            account = client.post("/api/account", json={"name": name, "password": PASSWORD}).raise_for_status()
            client.headers["X-CSRF-Token"] = account.json()["csrf_token"]
            yield Person(client, name)


@contextmanager
def console_place() -> Iterator[ConsolePlace]:
    """Start a console with a state of its own; it ends, and the state is removed, at the end.

    Raises:
        Unavailable: it ended before it was ready, or was not ready in time.
    """
    with TemporaryDirectory(prefix="strata-bench-") as state:
        environment = {**os.environ, "STRATA_STATE": state, "CONSOLE_QUOTA_BYTES": str(8 << 30)}
        command = [sys.executable, "-m", "services.cli", "console", "run", "--http", "127.0.0.1:0"]
        with (Path(state) / "log").open("wb") as log:
            process = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            yield ConsolePlace(_address_of(process, Path(state)), process.pid)
        finally:
            _end(process)


def _address_of(process: "subprocess.Popen[bytes]", state: Path) -> str:
    limit_s = time.monotonic() + _START_S
    while process.poll() is None and time.monotonic() < limit_s:
        if running := find_running(state / "console"):
            return f"http://{running.http_address}"
        time.sleep(0.05)
    said = (state / "log").read_text(errors="replace")[-1000:]
    raise Unavailable(f"the console did not start; it said:\n{said}")


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


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


def forget_peak(pid: int) -> None:
    """Begin `VmHWM` of a process anew; proc(5)."""
    Path(f"/proc/{pid}/clear_refs").write_text("5")


def memory_mb(pid: int, what: str = "VmRSS") -> float:
    """Memory of a process now, or at its most (VmHWM), in MiB; proc(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{what}:")) / 1024
