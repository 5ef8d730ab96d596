"""Locust over a scenario, in processes of its own: importing it changes the standard library."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.local.running import Running, find_running
from tests.contract.ensemble_server import EmptyServicer, serving

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of one sleeping model, two labelled pictures, and a scenario."""
    folder = tmp_path_factory.mktemp("locust")
    (folder / "models").mkdir()
    (folder / "models" / "only.yaml").write_text(
        "name: only\narchitecture: sleep\nweights: random://0\nlabels: [cat, dog]\n"
        "parameters: {delay_ms: 5, classes: 2}\ninput: {size: [32, 32]}\n"
    )
    (folder / "single.yaml").write_text("name: single\nmembers: [{model: only}]\ndeadline_ms: 60000\n")
    for label in ("cat", "dog"):
        (folder / "pictures" / label).mkdir(parents=True)
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "pictures" / label / "1.png")
    (folder / "scenario.yaml").write_text(
        "about: a test\nphases: [{seconds: 2, rate: 40}]\nrequest: {pictures: pictures, warm_up: 1}\n"
        "slo: {latency_ms: {p90: 10000}}\n"
    )
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    environment = {**os.environ, "STRATA_STATE": str(folder / "state"), "STRATA_CACHE": str(folder / "cache")}
    strata = [sys.executable, "-m", "services.cli", "serve"]
    anywhere = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    subprocess.run([*strata, "start", str(folder / "single.yaml"), *anywhere], env=environment, check=True)
    running = find_running(folder / "state")
    assert running
    yield running
    subprocess.run([*strata, "stop"], env=environment, check=True)


def command(folder: Path, target: str, *options: str) -> list[str]:
    headless = [sys.executable, "-m", "locust", "--locustfile", str(ROOT / "loadtest" / "locustfile.py"), "--headless"]
    return [*headless, "--host", target, "--scenario", str(folder / "scenario.yaml"), *options]


def locust(folder: Path, target: str, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(command(folder, target, *options), capture_output=True, text=True, timeout=120, cwd=folder)


def requests_of(output: str) -> int:
    """How many requests our verdict is on."""
    found = re.search(r"^(\d+) requests, ", output, flags=re.M)
    assert found, output
    return int(found.group(1))


@pytest.fixture(scope="module")
def one(folder: Path, running: Running) -> "subprocess.CompletedProcess[str]":
    """One user over gRPC."""
    return locust(folder, f"grpc://{running.grpc_address}", "--verdict-html", str(folder / "one.html"))


def test_locust_sends_what_the_command_sends_and_ends_with_its_verdict(
    folder: Path, running: Running, one: "subprocess.CompletedProcess[str]"
) -> None:
    command = [sys.executable, "-m", "services.cli", "load", str(folder / "scenario.yaml")]
    ours = subprocess.run(
        [*command, "--target", f"grpc://{running.grpc_address}"], capture_output=True, text=True, timeout=120
    )
    over_http = locust(folder, f"http://{running.http_address}", "--verdict-html", str(folder / "http.html"))
    for done, page in ((one, "one.html"), (over_http, "http.html")):
        assert done.returncode == 0, done.stdout + done.stderr
        assert "Verdict: pass" in done.stdout
        assert requests_of(done.stdout) == requests_of(ours.stdout)
        assert "<svg" in (folder / page).read_text()


def test_more_users_are_more_load_wherever_they_run(
    folder: Path, running: Running, one: "subprocess.CompletedProcess[str]"
) -> None:
    two = locust(folder, f"grpc://{running.grpc_address}", "--users", "2", "--processes", "2")
    assert two.returncode == 0, two.stdout + two.stderr
    assert 1.5 * requests_of(one.stdout) < requests_of(two.stdout) < 2.5 * requests_of(one.stdout)


@pytest.mark.parametrize(
    ("target", "options", "why"),
    [
        ("grpc://127.0.0.1:1", (), "does not answer"),
        ("ftp://127.0.0.1:1", (), "grpc://HOST:PORT"),
        ("grpc://127.0.0.1:1", ("--scenario", "none"), "no scenario 'none'"),
        ("grpc://127.0.0.1:1", ("--verdict-html", "/nowhere/page.html"), "there is no folder /nowhere"),
    ],
)
def test_what_cannot_run_ends_with_a_code_of_its_own(
    folder: Path, target: str, options: tuple[str, ...], why: str
) -> None:
    done = locust(folder, target, *options)
    assert done.returncode == 2, done.stdout + done.stderr
    assert why in done.stderr


def test_a_broken_slo_fails(folder: Path, running: Running) -> None:
    scenario = folder / "broken.yaml"
    scenario.write_text(
        (folder / "scenario.yaml").read_text().replace("latency_ms: {p90: 10000}", "cost_per_1000: 1.0e-9")
    )
    done = locust(folder, f"grpc://{running.grpc_address}", "--scenario", str(scenario))
    assert done.returncode == 1, done.stdout + done.stderr


class _NeverAnswers(EmptyServicer):
    """Says what it is, and answers no request."""

    def __init__(self) -> None:
        self.asked = asyncio.Semaphore(0)

    async def ListEnsembles(self, request: object, context: object) -> pb.ListEnsemblesResponse:
        single = pb.Ensemble(name="single", members=[pb.EnsembleMember(model="only")], deadline_ms=9000)
        return pb.ListEnsemblesResponse(ensembles=[single])

    async def Predict(self, request: object, context: object) -> pb.PredictResponse:
        self.asked.release()
        await asyncio.Event().wait()
        raise AssertionError("nothing sets it")


async def test_what_is_under_way_when_a_test_is_stopped_was_not_answered(folder: Path) -> None:
    scenario = folder / "long.yaml"
    text = (folder / "scenario.yaml").read_text()
    scenario.write_text(text.replace("seconds: 2", "seconds: 60").replace("warm_up: 1", "warm_up: 0"))
    servicer = _NeverAnswers()
    async with serving(servicer, max_message_bytes=2**20) as server, asyncio.timeout(120):
        asked = command(folder, f"grpc://127.0.0.1:{server.port}", "--scenario", str(scenario))
        asking = await asyncio.create_subprocess_exec(*asked, stdout=asyncio.subprocess.PIPE, cwd=folder)
        try:
            for _ in range(5):
                await servicer.asked.acquire()
            asking.terminate()
            said = (await asking.communicate())[0].decode()
        finally:
            with suppress(ProcessLookupError):
                asking.kill()
    assert asking.returncode == 1, said
    assert "stopped before it was answered" in said
    assert requests_of(said) >= 5


def test_a_test_that_never_began_is_not_green(folder: Path) -> None:
    file = folder / "never.py"
    never = "events.init.add_listener(lambda environment, **_: setattr(environment.runner, 'start', lambda *_: None))"
    file.write_text(f"from locust import events\nfrom services.loadtest.locust_user import ScenarioUser\n{never}\n")
    done = locust(folder, "grpc://127.0.0.1:1", "--run-time", "1s", "--locustfile", str(file))
    assert done.returncode == 2, done.stdout + done.stderr
