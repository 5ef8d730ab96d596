"""`strata console` as a user runs it: it starts, is found, opens a model at a workbench of its own, and stops."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.contract.console_process import Person
from tests.contract.workbench_process import PICTURE


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    chosen = {**os.environ, "STRATA_STATE": str(tmp_path_factory.mktemp("state")), "NO_COLOR": "1"}
    yield chosen
    strata(chosen, "stop")


def strata(environment: dict[str, str], *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "services.cli", "console", *arguments]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


@pytest.fixture(scope="module")
def address(environment: dict[str, str]) -> str:
    done = strata(environment, "start", "--http", "127.0.0.1:0")
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_started_console_is_found_and_a_second_start_leaves_it_alone(
    environment: dict[str, str], address: str
) -> None:
    assert httpx.get(f"{address}/readyz").status_code == 200
    assert strata(environment, "status").stdout.splitlines()[-1] == address
    again = strata(environment, "start", "--http", "127.0.0.1:0").stdout
    assert (again.startswith("A console runs already."), again.splitlines()[-1]) == (True, address)


def test_it_starts_a_workbench_that_believes_it_alone(environment: dict[str, str], address: str) -> None:
    with httpx.Client(base_url=address, timeout=240) as client:
        person = Person(client).sign_up("owner")
        picture = person.upload("shapes.jpg", PICTURE)
        done = person.run(model="yolov3-tiny", weights="random://0", size=64, mode="float", picture=picture["id"])
    assert done["state"] == "done", done["fault"]
    assert (Path(environment["STRATA_STATE"]) / "console" / "console.db").exists()


def test_accounts_outlive_it_and_stop_says_what_it_did(environment: dict[str, str], address: str) -> None:
    assert strata(environment, "stop").stdout == "Stopped.\n"
    assert strata(environment, "stop").stdout == "The console is not served.\n"
    assert strata(environment, "status").returncode == 1
    started = strata(environment, "start", "--http", "127.0.0.1:0")
    assert '"event"' not in started.stderr  # words of its log, for people
    again = started.stdout.splitlines()[-1]
    taken = httpx.post(f"{again}/api/account", json={"name": "owner", "password": "another password"})
    assert taken.json()["kind"] == "NameTaken"
