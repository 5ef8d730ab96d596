"""A console as a process on loopback over a real workbench, and browsers' worth of HTTP clients."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from services.edge.http_client import client_options
from tests.contract.workbench_process import running

KEY = "tests-sign-with-this-key-and-nobody-else-does"
PASSWORD = "correct horse battery"


@dataclass
class Person:
    """Somebody who is logged in."""

    client: httpx.Client
    name: str = ""

    def sign_up(self, name: str) -> "Person":
        account = self.client.post("/api/account", json={"name": name, "password": PASSWORD})
        assert account.status_code == 201, account.text
        self.client.headers["X-CSRF-Token"] = account.json()["csrf_token"]
        self.name = name
        return self

    def upload(self, path: str, content: bytes) -> dict[str, Any]:
        made = self.client.post("/api/files", params={"path": path}, content=content)
        assert made.status_code == 201, made.text
        found: dict[str, Any] = made.json()
        return found

    def run(self, **asked: Any) -> dict[str, Any]:
        """Start a run and follow it to its end."""
        made = self.client.post("/api/runs", json=asked)
        assert made.status_code == 201, made.text
        return self.hear("GET", f"/api/runs/{made.json()['id']}/events")[-1]

    def hear(self, method: str, path: str, **asked: Any) -> list[dict[str, Any]]:
        """All events of a stream."""
        with self.client.stream(method, path, **asked) as events:
            assert events.status_code == 200, events.read()
            return [json.loads(line.removeprefix("data: ")) for line in events.iter_lines() if line.startswith("data:")]


@dataclass
class Served:
    """A running console."""

    process: "subprocess.Popen[str]"
    address: str

    @contextmanager
    def nobody(self) -> Iterator[Person]:
        with httpx.Client(timeout=60, **client_options(self.address)) as client:
            yield Person(client)

    @contextmanager
    def person(self, name: str) -> Iterator[Person]:
        with self.nobody() as person:
            yield person.sign_up(name)


@contextmanager
def serving(folder: Path, database: str = "", **settings: str) -> Iterator[Served]:
    """Start a workbench and a console over it; they are killed at the end if they still run."""
    with (
        running(str(folder / "workbench"), WORKBENCH_THREADS="1", WORKBENCH_TOKEN_KEY=KEY) as bench,
        console_at(bench.port, folder, database, **settings) as console,
    ):
        yield console


@contextmanager
def console_at(workbench_port: int, folder: Path, database: str = "", **settings: str) -> Iterator[Served]:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("CONSOLE_")}
    own = {
        "CONSOLE_DATABASE": database or f"sqlite:///{folder / 'console.db'}",
        "CONSOLE_STORE": str(folder / "console"),
        "CONSOLE_WORKBENCH": f"127.0.0.1:{workbench_port}",
        "CONSOLE_TOKEN_KEY": KEY,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "services.console"],
        stdout=subprocess.PIPE,
        env={**clean, **own, **settings},
        text=True,
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["port"]
        yield Served(process, f"http://127.0.0.1:{port}")
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
