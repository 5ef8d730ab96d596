"""`strata load` against live services: each verdict and exit code, every protocol, and targets that are none."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner, Result

from services.cli.app import app
from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.local.process import start_service
from services.local.running import Running, find_running
from services.zoo.model_compile import compile_model
from services.zoo.model_file import read_model_file
from tests.contract.ensemble_server import EmptyServicer, serving
from tests.small_web import QuietHandler, address_of, small_web

pytestmark = pytest.mark.slow

SCENARIO = """
about: a test
phases: [{seconds: 2, rate: RATE}]
request: {pictures: pictures, deadline_ms: 25000, warm_up: 1}
slo: SLO
"""
KEPT = "{latency_ms: {p90: 25000}, in_deadline: 0.9, accuracy: 0.001, cost_per_1000: 1}"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of two sleeping models, and two labelled pictures."""
    folder = tmp_path_factory.mktemp("load")
    (folder / "models").mkdir()
    for name in ("first", "second"):
        (folder / "models" / f"{name}.yaml").write_text(
            f"name: {name}\narchitecture: sleep\nweights: random://0\nlabels: [cat, dog]\n"
            "parameters: {delay_ms: 5, classes: 2}\ninput: {size: [32, 32]}\n"
        )
    (folder / "pair.yaml").write_text(
        "name: pair\nmembers: [{model: first}, {model: second}]\ndeadline_ms: 60000\naccuracy: accuracy.json\n"
    )
    for label in ("cat", "dog"):
        (folder / "pictures" / label).mkdir(parents=True)
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "pictures" / label / "1.png")
    return folder


@pytest.fixture(scope="module")
def running(folder: Path) -> Iterator[Running]:
    environment = {**os.environ, "STRATA_STATE": str(folder / "state"), "STRATA_CACHE": str(folder / "cache")}
    strata = [sys.executable, "-m", "services.cli", "serve"]
    anywhere = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    subprocess.run([*strata, "start", str(folder / "pair.yaml"), *anywhere], env=environment, check=True)
    running = find_running(folder / "state")
    assert running
    yield running
    subprocess.run([*strata, "stop"], env=environment, check=True)


def load(folder: Path, *arguments: str, slo: str = KEPT, rate: float = 30) -> Result:
    (folder / "scenario.yaml").write_text(SCENARIO.replace("RATE", str(rate)).replace("SLO", slo))
    environment = {"STRATA_STATE": str(folder / "state"), "STRATA_TARGET": ""}
    return CliRunner().invoke(app, ["load", str(folder / "scenario.yaml"), *arguments], env=environment)


def test_a_kept_slo_passes_and_the_report_stands_alone(folder: Path, running: Running) -> None:
    html, written = folder / "report.html", folder / "report.json"
    done = load(folder, "--html", str(html), "--json", str(written))
    assert done.exit_code == 0, done.output
    assert "Verdict: pass" in done.output
    page = html.read_text()
    assert page.count("<svg") == 4
    assert "src=" not in page
    assert 'href="http' not in page
    said = json.loads(written.read_text())
    assert (said["verdict"], said["target"]) == ("pass", "pair")
    assert said["outcomes"]["answered"] == said["requests"] == len(said["samples"])
    assert {promise["verdict"] for promise in said["promises"]} == {"pass"}


def test_a_broken_slo_fails(folder: Path, running: Running) -> None:
    done = load(folder, slo="{in_deadline: 0.5, cost_per_1000: 1.0e-9}")
    assert done.exit_code == 1, done.output
    assert "Verdict: fail" in done.output


def test_too_few_requests_are_not_proved(folder: Path, running: Running) -> None:
    done = load(folder, slo="{latency_ms: {p99: 8000}}")
    assert done.exit_code == 3, done.output
    assert "more requests in time would prove it" in " ".join(done.output.replace("│", " ").split())


def test_http_is_asked_like_grpc(folder: Path, running: Running) -> None:
    done = load(folder, "--target", f"http://{running.http_address}")
    assert done.exit_code == 0, done.output


async def test_one_model_is_asked_by_the_open_inference_protocol(folder: Path, tmp_path: Path) -> None:
    compiled = compile_model(read_model_file(folder / "models" / "first.yaml"), folder / "cache")
    child = await start_service("services.model", "first", {"MODEL_COMPILED": str(compiled)}, tmp_path / "log", 60)
    try:
        # Its answers say no member, label or receipt: only latency can be promised.
        (folder / "scenario.yaml").write_text(
            SCENARIO.replace("RATE", "30").replace("SLO", "{latency_ms: {p90: 8000}, in_deadline: 0.9}")
        )
        command = [sys.executable, "-m", "services.cli", "load", str(folder / "scenario.yaml")]
        target = f"oip://{child.address}/first"
        done = subprocess.run([*command, "--target", target], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr
        done = subprocess.run([*command, "--target", f"{target}-not"], capture_output=True, text=True)
        assert done.returncode == 2
        assert "model 'first-not' is not served here" in done.stderr
    finally:
        await child.stop(1)


def test_a_search_finds_a_load(folder: Path, running: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("services.loadtest.search.MOST_RUNS", 2)
    written = folder / "find.json"
    done = load(folder, "--find", "--json", str(written), slo="{in_deadline: 0.9}", rate=40)
    assert done.exit_code == 0, done.output
    assert json.loads(written.read_text())["highest"] in (40, 80)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--target", "grpc://127.0.0.1:1"), "does not answer"),
        (("--target", "http://127.0.0.1:1"), "does not answer"),
        (("--target", "ftp://127.0.0.1:1"), "grpc://HOST:PORT"),
        (("--target", "oip://127.0.0.1:1"), "oip://HOST:PORT/MODEL"),
        (("--ensemble", "other"), "there are pair"),
        (("--capacity", "3"), "leave out --capacity"),
        (("--find", "--capacity", "3"), "leave out --capacity"),
        (("--html", "/nowhere/report.html"), "there is no folder /nowhere"),
    ],
)
def test_what_cannot_run_says_why_and_is_never_green(
    folder: Path, running: Running, arguments: tuple[str, ...], why: str
) -> None:
    done = load(folder, *arguments)
    assert done.exit_code == 2, done.output
    assert why in done.output


def test_without_a_service_it_says_how_to_start_one(folder: Path, tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["load", "short"], env={"STRATA_STATE": str(tmp_path), "STRATA_TARGET": ""})
    assert done.exit_code == 2
    assert "strata serve start" in done.output


class _Nonsense(EmptyServicer):
    """Describes itself well, answers the warm-up well, and then says what no ensemble says."""

    def __init__(self) -> None:
        self.asked = 0

    async def ListEnsembles(self, request: object, context: object) -> pb.ListEnsemblesResponse:
        pair = pb.Ensemble(name="pair", members=[pb.EnsembleMember(model="a")], labels=["cat", "dog"], deadline_ms=9000)
        return pb.ListEnsemblesResponse(ensembles=[pair])

    async def Predict(self, request: object, context: object) -> pb.PredictResponse:
        self.asked += 1
        score = pb.Score(label="cat" if self.asked == 1 else "cow", score=0.9)
        member = pb.MemberAnswer(model="a", state=pb.MemberAnswer.STATE_ANSWERED)
        return pb.PredictResponse(predictions=[pb.Prediction(scores=[score])], members=[member])


@pytest.fixture
async def nonsense() -> AsyncIterator[str]:
    async with serving(_Nonsense(), max_message_bytes=2**20) as server:
        yield f"grpc://127.0.0.1:{server.port}"


async def test_quick_nonsense_is_a_failure(folder: Path, nonsense: str) -> None:
    (folder / "scenario.yaml").write_text(SCENARIO.replace("RATE", "30").replace("SLO", "{in_deadline: 0.5}"))
    command = [sys.executable, "-m", "services.cli", "load", str(folder / "scenario.yaml"), "--target", nonsense]
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT
    )
    output, _ = await process.communicate()
    assert process.returncode == 1, output.decode()
    assert "no request was answered" in output.decode()
    assert "an unknown label 'cow'" in output.decode()


class _Elsewhere(QuietHandler):
    """A web server that is not a front door."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(b"<html>hello</html>")


@pytest.mark.parametrize("status", [200, 404])
def test_a_server_that_is_no_front_door_cannot_be_run(
    folder: Path, status: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_Elsewhere, "status", status)
    with small_web(_Elsewhere) as server:
        done = load(folder, "--target", address_of(server))
    assert done.exit_code == 2, done.output
    assert "does not answer as it should" in done.output
    assert "For more information" not in done.output


def test_a_model_is_killed_and_the_others_answer(folder: Path, running: Running) -> None:
    slo = "{in_deadline: 0.5}\nkills: [{at_s: 0.5, model: second}]"
    written = folder / "killed.json"
    done = load(folder, "--json", str(written), slo=slo)
    assert done.exit_code == 0, done.output
    said = json.loads(written.read_text())
    # Those that wait for it to start anew may be more than fit in the queue.
    assert said["outcomes"]["answered"] + said["outcomes"]["refused"] == said["requests"]
    assert said["complete"] < said["requests"] or max(each["done_s"] - each["due_s"] for each in said["samples"]) > 0.1


@pytest.mark.parametrize(
    ("arguments", "model", "why"),
    [
        ((), "third", "nothing was killed"),
        (("--find",), "second", "no highest load"),
        (("--target", "HERE"), "second", "--namespace"),
        (("--namespace", "there"), "second", "--target"),
    ],
)
def test_what_cannot_be_killed_gives_no_verdict(
    folder: Path, running: Running, arguments: tuple[str, ...], model: str, why: str
) -> None:
    place = [each.replace("HERE", f"grpc://{running.grpc_address}") for each in arguments]
    done = load(folder, *place, slo=f"{{in_deadline: 0.5}}\nkills: [{{at_s: 0, model: {model}}}]")
    assert done.exit_code == 2, done.output
    assert why in done.output
