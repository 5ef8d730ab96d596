"""`strata pipeline` for real: stages as processes, a folder or a real S3 server, and a kill wherever it hurts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import reduce
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import torch

from services.cli import pipeline_run
from services.cli.pipeline_model import choose_cutting
from services.contracts.strata.ensemble.v1 import ensemble_pb2, ensemble_pb2_grpc
from services.zoo.compile import load_module
from services.zoo.manifest import InputSpec
from services.zoo.model_file import ModelFile, read_model_file
from services.zoo.preprocessing import decode, preprocess
from services.zoo.serving import Forward, Values, load_forward
from services.zoo.stage_compile import compile_stages
from tests.contract.command import run_strata
from tests.contract.s3_server import s3_server
from tests.contract.tiny_program import write_tiny

PICTURES = Path(__file__).parents[2] / "examples" / "fashion" / "pictures"
PER_RECORD = 2
LIGHT = "onnxruntime"
"""A process with it starts in a fifth of the time that torch takes."""
STAGES = ["stem", "middle", "last"]
CUT = "stages: {stem: stem_relu, middle: middle_relu, last: null}\n"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


@dataclass(frozen=True)
class Place:
    """A model and its records, and what commands run in."""

    folder: Path
    environment: dict[str, str]

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "services.cli", "pipeline", *words]

    def strata(self, *words: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return run_strata({**self.environment, **more}, "pipeline", *words)

    @property
    def model_file(self) -> ModelFile:
        return read_model_file(self.folder / "small.yaml")

    def run_words(self, job: str, *more: str, runtime: str = LIGHT) -> list[str]:
        model, records, out = (str(self.folder / name) for name in ("small.yaml", "records", "out"))
        return ["run", model, records, "-o", out, "--runtime", runtime, "--json", job, *more]

    def lines(self, job: str) -> dict[str, Any]:
        found = {}
        for path in sorted((self.folder / "out" / job / "predictions").glob("*.jsonl")):
            found.update({line["picture"]: line for line in map(json.loads, path.read_text().splitlines())})
        return found

    def report(self, job: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "out" / job / "report.json").read_text())
        return found

    def done(self, job: str) -> list[str]:
        return sorted(path.name for path in (self.folder / "out" / job).glob("done/*.json"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    folder = tmp_path_factory.mktemp("pipeline")
    write_tiny(folder, "small", channels=128, more=CUT)  # as much work as leaves time to kill who does it
    environment = {**os.environ, "STRATA_CACHE": str(folder / "cache"), "STRATA_STATE": str(folder / "state")}
    place = Place(folder, environment)
    broken = folder / "pictures"
    broken.mkdir()
    (broken / "broken.png").write_bytes(b"\x89PNG and then nothing")
    packed = place.strata(
        "pack", str(PICTURES), str(broken), "--per-record", str(PER_RECORD), "-o", f"{folder}/records"
    )
    assert packed.returncode == 0, packed.stderr
    return place


@pytest.fixture(scope="module")
def plain(place: Place) -> "subprocess.CompletedProcess[str]":
    """An undisturbed run in torch, with stages that it starts itself; they are compiled then."""
    return place.strata(*place.run_words("--job", "plain", runtime="torch"))


@pytest.fixture(scope="module")
def folders(place: Place) -> list[Path]:
    """The stages compiled for a runtime that starts soon."""
    return compile_stages(place.model_file, choose_cutting(place.model_file, None, ""), place.folder / "cache", LIGHT)


@pytest.fixture(scope="module")
def services(place: Place, folders: list[Path]) -> Iterator[str]:
    """Stages as processes that many drivers call, as `--services` wants them."""
    settings = {"STAGE_STORES": f"file://{place.folder}", "STAGE_THREADS": "1"}
    with ExitStack() as stack:
        stages = []
        for folder in folders:
            environment = {**place.environment, **settings, "STAGE_COMPILED": str(folder)}
            command = [sys.executable, "-m", "services.stage"]
            stages.append(subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True))
            stack.enter_context(stages[-1])
            stack.callback(stages[-1].terminate)
        yield ",".join(f"127.0.0.1:{_port(stage)}" for stage in stages)


def _port(stage: "subprocess.Popen[str]") -> int:
    assert stage.stdout is not None
    return int(json.loads(stage.stdout.readline())["grpc_port"])


@pytest.fixture(scope="module")
def whole(place: Place) -> dict[str, list[float]]:
    """The whole model's scores in torch, in the same micro-batches: a record each."""
    torch.set_num_threads(1)
    model = load_module(place.model_file)

    def forward(batch: Values) -> Values:
        with torch.inference_mode():
            scores: Values = model(torch.from_numpy(batch)).numpy()
        return scores

    return scores_of(forward, place.model_file.input.spec())


@pytest.fixture(scope="module")
def expected(place: Place, folders: list[Path]) -> dict[str, list[float]]:
    """What the compiled stages answer one after the other in this process, in the same micro-batches."""
    forwards = [load_forward(LIGHT, folder, 1) for folder in folders]
    return scores_of(
        lambda batch: reduce(lambda values, stage: stage(values), forwards, batch), place.model_file.input.spec()
    )


def scores_of(forward: Forward, spec: InputSpec) -> dict[str, list[float]]:
    paths = sorted(path for path in PICTURES.rglob("*.png"))
    scores = {}
    for start in range(0, len(paths), PER_RECORD):
        batch = paths[start : start + PER_RECORD]
        found = forward(torch.stack([preprocess(decode(path.read_bytes()), spec) for path in batch]).numpy())
        for path, row in zip(batch, found, strict=True):
            shifted = np.exp(row.astype(np.float64) - row.max())
            scores[path.relative_to(PICTURES).as_posix()] = (shifted / shifted.sum()).tolist()
    return scores


def check(place: Place, job: str, expected: dict[str, list[float]]) -> None:
    """Every picture has the expected answer, to the last bit, and the broken one says what is wrong."""
    lines = place.lines(job)
    assert lines.pop("broken.png").keys() == {"picture", "error"}
    assert lines.keys() == expected.keys()
    for name, line in lines.items():
        assert {each["index"]: each["score"] for each in line["scores"]} == {
            index: expected[name][index] for index in np.argsort(-np.array(expected[name]), kind="stable")[:5].tolist()
        }
    assert not list((place.folder / "out" / job).glob("activations/*"))


def requests_of(report: dict[str, Any]) -> list[int]:
    return [stage["requests"] for stage in report["stages"]]


def test_the_answers_are_the_whole_models_and_the_report_adds_up(
    place: Place, plain: "subprocess.CompletedProcess[str]", whole: dict[str, list[float]]
) -> None:
    assert plain.returncode == 0, plain.stderr
    check(place, "plain", whole)
    report = json.loads(plain.stdout)
    records = len(list((place.folder / "records").iterdir()))
    assert (report["records"], report["pictures"], report["failed_pictures"]) == (records, len(whole) + 1, 1)
    assert [stage["stage"] for stage in report["stages"]] == STAGES
    assert requests_of(report) == [records] * len(STAGES)
    assert [stage["cold_starts"] for stage in report["stages"]] == [1] * len(STAGES)
    for stage in report["stages"]:
        assert stage["allocation"]["cpu_seconds"] > stage["cpu_seconds"] > 0
        assert stage["cold_cpu_seconds"] > 0
        assert stage["allocation"]["gb_seconds"] > stage["gb_seconds"]
    assert all(stage["cpu_seconds"] > 0 and stage["gb_seconds"] > 0 for stage in report["stages"])
    assert all(stage["peak_bytes"] > 50e6 for stage in report["stages"])
    # What a stage wrote the next one read, but the last frame with the sums.
    for before, after in zip(report["stages"][:-1], report["stages"][1:], strict=True):
        assert before["bytes_out"] <= after["bytes_in"] <= before["bytes_out"] + 2000 * records
    money = sum(stage["money"] for stage in report["stages"]) + report["driver"]["money"]
    assert report["money"] == pytest.approx(money)


def start(place: Place, job: str, log: Path, *more: str) -> "subprocess.Popen[str]":
    """Run a job in a group of its own, and return once a record is done."""
    words = [*place.run_words("--job", job, *more), "--workers", "1"]
    with log.open("w") as output:
        process = subprocess.Popen(
            place.command(*words),
            env=place.environment,
            stdout=output,
            stderr=output,
            text=True,
            start_new_session=True,
        )
    await_first_record(place, job, process)
    return process


def await_first_record(place: Place, job: str, process: "subprocess.Popen[Any]") -> None:
    limit = time.monotonic() + 300
    while not place.done(job):
        assert process.poll() is None
        assert time.monotonic() < limit
        time.sleep(0.01)


def test_a_driver_that_is_killed_goes_on_where_it_was(
    place: Place, services: str, expected: dict[str, list[float]], tmp_path: Path
) -> None:
    process = start(place, "killed", tmp_path / "log", "--services", services)
    process.send_signal(signal.SIGSTOP)
    second = place.strata(*place.run_words("--resume", "killed", "--services", services))
    assert second.returncode == 2
    assert f"job 'killed' is run by process {process.pid} on " in second.stderr
    process.kill()
    process.wait()
    done = place.done("killed")
    records = len(list((place.folder / "records").iterdir()))
    assert 0 < len(done) < records
    kept = (place.folder / "out" / "killed" / "done" / done[0]).stat().st_mtime_ns
    again = place.strata(*place.run_words("--job", "killed"))
    assert again.returncode == 2
    assert "go on with --resume killed" in again.stderr
    resumed = place.strata(*place.run_words("--resume", "killed", "--services", services))
    assert resumed.returncode == 0, resumed.stderr
    check(place, "killed", expected)
    assert requests_of(json.loads(resumed.stdout)) == [records] * len(STAGES)
    assert (place.folder / "out" / "killed" / "done" / done[0]).stat().st_mtime_ns == kept


def test_a_stage_that_is_killed_is_started_anew(place: Place, expected: dict[str, list[float]], tmp_path: Path) -> None:
    process = start(place, "stage-killed", tmp_path / "log")
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    assert len(children) == len(STAGES)
    os.kill(int(children[1]), signal.SIGKILL)
    assert process.wait(300) == 0, (tmp_path / "log").read_text()
    check(place, "stage-killed", expected)
    # The first process of each stage was cold once, and the one that took the dead one's place.
    assert sorted(stage["cold_starts"] for stage in place.report("stage-killed")["stages"]) == [1, 1, 2]


def test_an_interrupt_says_how_to_go_on(
    place: Place, services: str, expected: dict[str, list[float]], tmp_path: Path
) -> None:
    process = start(place, "interrupted", tmp_path / "log", "--services", services)
    process.send_signal(signal.SIGINT)
    assert process.wait(60) == 130
    assert "--resume interrupted" in (tmp_path / "log").read_text()
    resumed = place.strata(*place.run_words("--resume", "interrupted", "--services", services))
    assert resumed.returncode == 0, resumed.stderr
    check(place, "interrupted", expected)


def test_a_damaged_record_is_set_aside_by_name_with_exit_code_3(
    place: Place, services: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A record is read again after longer and longer pauses, of random length: here of none.
    monkeypatch.setattr(pipeline_run, "random", SimpleNamespace(random=lambda: 0.0))
    records = place.folder / "damaged"
    records.mkdir()
    whole = (place.folder / "records" / "000000.record").read_bytes()
    (records / "good.record").write_bytes(whole)
    (records / "bad.record").write_bytes(whole[:-9])
    out = str(place.folder / "out")
    words = ["run", str(place.folder / "small.yaml"), str(records), "-o", out, "--runtime", LIGHT]
    ran = place.strata(*words, "--job", "j", "--services", services)
    assert ran.returncode == 3, ran.stderr
    assert "done, 1 record set aside" in ran.stdout
    assert "bad.record: DamagedFile" in ran.stdout
    other = place.strata(*words, "--resume", "j", "--at", "middle")
    assert other.returncode == 2
    assert "job 'j' is of chain" in other.stderr


def test_single_pictures_pass_the_same_stages_without_the_store(
    place: Place, services: str, expected: dict[str, list[float]]
) -> None:
    name, scores = next(iter(expected.items()))
    model, picture = str(place.folder / "small.yaml"), str(PICTURES / name)
    ran = place.strata("predict", model, picture, "--services", services, "--json")
    assert ran.returncode == 0, ran.stderr
    (answer,) = json.loads(ran.stdout)["pictures"]
    check_online(answer, scores)
    late = place.strata("predict", model, picture, "--services", services, "--deadline-ms", "1")
    assert late.returncode == 1
    assert "DeadlineExceeded" in late.stderr
    other = place.strata("predict", "resnet-18", picture, "--services", services)
    assert other.returncode == 2
    assert "are stages of model 'small', not of 'resnet-18'" in other.stderr


def check_online(answer: dict[str, Any], scores: list[float]) -> None:
    found = answer["predictions"][0]["scores"]
    assert found[0]["index"] == int(np.argmax(scores))
    for each in found:
        assert each["score"] == pytest.approx(scores[each["index"]], abs=1e-6)
    lines = answer["receipt"]["lines"]
    assert [line["name"] for line in lines] == [f"small/{stage}" for stage in STAGES]
    assert all(line["requests"] == 1 and line["cpu_seconds"] > 0 and line["gb_seconds"] > 0 for line in lines)
    for line in lines:
        assert line["allocation"]["cpu_seconds"] >= line["cpu_seconds"] + line["cold_cpu_seconds"]
        assert line["allocation"]["gb_seconds"] > line["gb_seconds"]  # its start, and idle time
    for before, after in pairwise(lines):
        assert abs(before["bytes_out"] - after["bytes_in"]) < 500


async def test_a_front_door_serves_stages_over_http_and_grpc(
    place: Place, services: str, expected: dict[str, list[float]]
) -> None:
    folder = place.folder / "door"
    folder.mkdir()
    (folder / "door.yaml").write_text("{name: door, members: [{model: small}], deadline_ms: 20000}")
    stages = [{"name": name, "address": address} for name, address in zip(STAGES, services.split(","), strict=True)]
    environment = {
        **place.environment,
        "STRATA_MODELS": str(place.folder),
        "ENSEMBLE_FILES": str(folder / "door.yaml"),
        "ENSEMBLE_MEMBERS": json.dumps({"small": {"stages": stages}}),
    }
    name, scores = next(iter(expected.items()))
    picture = (PICTURES / name).read_bytes()
    with subprocess.Popen(
        [sys.executable, "-m", "services.ensemble"], env=environment, stdout=subprocess.PIPE, text=True
    ) as door:
        try:
            assert door.stdout is not None
            ready = json.loads(door.stdout.readline())
            url = f"http://127.0.0.1:{ready['http_port']}/v1/ensembles/door:predict"
            check_online(httpx.post(url, content=picture, timeout=60).json(), scores)
            async with grpc.aio.insecure_channel(f"127.0.0.1:{ready['grpc_port']}") as channel:
                stub = ensemble_pb2_grpc.EnsembleServiceStub(channel)
                answer = await stub.Predict(ensemble_pb2.PredictRequest(pictures=[picture] * 5))
            assert [each.scores[0].index for each in answer.predictions] == [int(np.argmax(scores))] * 5
            assert [line.requests for line in answer.receipt.lines] == [2] * len(STAGES)  # four pictures in a message
        finally:
            door.terminate()


def test_the_driver_of_a_submitted_job_goes_on_after_it_is_stopped(
    place: Place, services: str, expected: dict[str, list[float]], tmp_path: Path
) -> None:
    environment = {
        **place.environment,
        "PIPELINE_RECORDS": str(place.folder / "records"),
        "PIPELINE_TO": str(place.folder / "out"),
        "PIPELINE_JOB": "submitted",
        "PIPELINE_SERVICES": services,
        "PIPELINE_WORKERS": "1",
    }
    command = [sys.executable, "-m", "services.pipeline"]
    with (tmp_path / "log").open("w") as log, subprocess.Popen(command, env=environment, stderr=log) as stopped:
        await_first_record(place, "submitted", stopped)
        stopped.terminate()
    assert stopped.returncode == 1, (tmp_path / "log").read_text()
    assert not (place.folder / "out" / "submitted" / "lease").exists()  # the next one need not wait
    again = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)
    assert again.returncode == 0, again.stderr
    report = json.loads(again.stdout)["report"]
    assert requests_of(report) == [len(list((place.folder / "records").iterdir()))] * len(STAGES)
    check(place, "submitted", expected)
    nowhere = {**environment, "PIPELINE_RECORDS": str(place.folder / "nowhere")}
    assert subprocess.run(command, env=nowhere, capture_output=True, timeout=300).returncode == 2


@pytest.mark.parametrize(
    ("words", "what"),
    [
        (["run", "{model}", "{folder}/nowhere", "-o", "{folder}/x"], "nowhere: no such folder"),
        (
            ["run", "{model}", "{folder}/records", "-o", "{folder}/x", "--at", "nowhere"],
            "no layer 'nowhere' to cut at",
        ),
        (["run", "{model}", "{folder}/records", "-o", "{folder}/x", "--resume", "y"], "no job 'y'"),
        (["run", "{model}", "{folder}/records", "-o", "{folder}/small.yaml/x"], "small.yaml/x"),
        (["run", "{model}", "{folder}/records", "-o", "{folder}/x", "--services", "nowhere"], "--services"),
        (["run", "missing", "{folder}/records", "-o", "{folder}/x"], "no model 'missing'"),
    ],
)
def test_what_is_wrong_is_said_before_work_is_begun(place: Place, words: list[str], what: str) -> None:
    filled = [word.format(model=place.folder / "small.yaml", folder=place.folder) for word in words]
    ran = place.strata(*filled)
    assert ran.returncode in (1, 2)
    assert what in ran.stderr
    assert "Traceback" not in ran.stderr


def test_records_and_activations_in_s3(place: Place, expected: dict[str, list[float]]) -> None:
    pictures, broken = str(PICTURES), str(place.folder / "pictures")
    run = ["run", str(place.folder / "small.yaml"), "s3://pictures/in", "--runtime", LIGHT, "--job", "j"]
    buckets = place.folder / "buckets"
    with s3_server(buckets) as s3:
        packed = place.strata("pack", pictures, broken, "--per-record", str(PER_RECORD), "-o", "s3://pictures/in", **s3)
        assert packed.returncode == 0, packed.stderr
        ran = place.strata(*run, "-o", "s3://pictures/out", **s3)
        assert ran.returncode == 0, ran.stderr
        missing = place.strata(*run, "-o", "s3://missing/out", **s3)
        assert "ArtifactNotFound: s3://missing/out/j/lease/: no such bucket" in missing.stderr
        wrong = place.strata("unpack", "s3://pictures/in", "-o", "/tmp", **{**s3, "AWS_SECRET_ACCESS_KEY": "wrong"})
        assert "StoreRefused: s3://pictures/in" in wrong.stderr
    local = place.folder / "out" / "s3"
    local.mkdir(parents=True)
    for name in ("predictions", "activations"):
        (local / name).symlink_to(buckets / "pictures" / "out" / "j" / name)
    check(place, "s3", expected)
    with s3_server(buckets, "--readonly") as s3:
        refused = place.strata(*run, "-o", "s3://pictures/out2", **s3)
        assert "StoreRefused: s3://pictures/out2/j/job.json: the store does not allow it" in refused.stderr
    away = place.strata("unpack", "s3://pictures/in", "-o", "/tmp", **s3)
    assert "StoreUnavailable: s3://pictures/in" in away.stderr
    assert {each.returncode for each in (missing, wrong, refused)} == {2}
    assert away.returncode == 1
