"""The graph gives the same answers in this process and behind Ray Serve."""

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import httpx
import numpy as np
import pytest
import yaml
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from services.edge.errors import EmptyBatch, EnsembleNotFound, NotAPicture, NotReady, StrataError
from services.edge.status import status_of
from services.ensemble.domain import Answer, EnsembleMode, PredictRequest
from services.ensemble.graph import open_graph
from services.ensemble.loading import load_ensembles
from services.ensemble.ray_graph import APPLICATION, RayPredictor, find_deployment
from services.ensemble.settings import settings_from
from services.ensemble.usecases import Predictor
from services.zoo.model_compile import compile_model
from services.zoo.model_file import read_model_file

# Ray's own modules warn of what they use when they are imported.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def linear_onnx(seed: int) -> bytes:
    """A program that scores 10 classes by one matrix: real answers, and nothing to wait for."""
    weight = np.random.default_rng(seed).normal(0, 0.05, (3 * 32 * 32, 10)).astype(np.float32)
    graph = helper.make_graph(
        [helper.make_node("Flatten", ["image"], ["flat"]), helper.make_node("MatMul", ["flat", "weight"], ["scores"])],
        "linear",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 32, 32])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])],
        [numpy_helper.from_array(weight, "weight")],
    )
    program: bytes = helper.make_model(
        graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10
    ).SerializeToString()
    return program


def picture(seed: int) -> bytes:
    file = io.BytesIO()
    noise = np.random.default_rng(seed).integers(0, 256, (48, 40, 3), dtype=np.uint8)
    Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Two real models as processes; the front door's settings for them."""
    folder = tmp_path_factory.mktemp("ray")
    (folder / "models").mkdir()
    processes, members = [], {}
    for seed, name in enumerate(("one", "other")):
        file = folder / "models" / f"{name}.yaml"
        file.with_suffix(".onnx").write_bytes(linear_onnx(seed))
        content = {"name": name, "weights": f"file://{name}.onnx", "input": {"size": [32, 32]}}
        file.write_text(yaml.safe_dump(content))
        compiled = compile_model(read_model_file(file), folder / "cache", "onnxruntime")
        process = subprocess.Popen(
            [sys.executable, "-m", "services.model"],
            stdout=subprocess.PIPE,
            env={**os.environ, "MODEL_COMPILED": str(compiled), "MODEL_HTTP_ADDRESS": "", "MODEL_THREADS": "1"},
        )
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["grpc_port"]
        members[name] = {"address": f"127.0.0.1:{port}"}
        processes.append(process)
    (folder / "pair.yaml").write_text(
        "name: pair\nrule: weighted\ndeadline_ms: 20000\n"
        "members: [{model: one, weight: 2}, {model: other}, {model: nowhere}]\n"
    )
    (folder / "models" / "nowhere.yaml").write_text(
        "{name: nowhere, architecture: sleep, parameters: {delay_ms: 1}, "
        "weights: 'random://0', input: {size: [32, 32]}}"
    )
    members["nowhere"] = {"address": "127.0.0.1:1"}
    yield {"ENSEMBLE_FILES": str(folder / "pair.yaml"), "ENSEMBLE_MEMBERS": json.dumps(members)}
    for process in processes:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture
async def embedded(environment: dict[str, str]) -> AsyncIterator[Predictor]:
    settings = settings_from(environment)
    async with open_graph(load_ensembles(settings.files, environment), settings) as predictor:
        yield predictor


@pytest.fixture
async def local_ray(environment: dict[str, str]) -> RayPredictor:
    """The deployment in Ray Serve's local testing mode: its code and its handle, without Ray's processes."""
    from ray import serve

    from services.ensemble.ray_app import app

    handle = serve.run(app(environment), name=APPLICATION, _local_testing_mode=True)
    return RayPredictor(handle, load_ensembles(settings_from(environment).files, environment))


def without_times(answer: Answer) -> Answer:
    """Keep what is said, drop what it took."""
    members = tuple(replace(member, latency_ms=0, compute_ms=0, cold=False) for member in answer.members)
    return replace(answer, members=members, latency_ms=0, receipt=replace(answer.receipt, lines=()))


@pytest.mark.parametrize("mode", EnsembleMode)
async def test_answers_are_the_same_through_the_deployment(
    embedded: Predictor, local_ray: RayPredictor, mode: EnsembleMode
) -> None:
    request = PredictRequest("pair", (picture(0), picture(1)), mode)
    here, there = await embedded.predict(request), await local_ray.predict(request)
    assert without_times(here) == without_times(there)
    assert [member.state.value for member in here.members] == ["answered", "answered", "failed"]
    assert here.predictions[0].scores != here.predictions[1].scores


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (PredictRequest("pair", ()), EmptyBatch),
        (PredictRequest("pair", (b"none",)), NotAPicture),
        (PredictRequest("pear", (b"none",)), EnsembleNotFound),
    ],
)
async def test_refusals_are_the_same_through_the_deployment(
    embedded: Predictor, local_ray: RayPredictor, request_: PredictRequest, error: type[StrataError]
) -> None:
    calls: list[Callable[[PredictRequest], Awaitable[Answer]]] = [embedded.predict, local_ray.predict]
    said = []
    for call in calls:
        with pytest.raises(error) as caught:
            await call(request_)
        assert type(caught.value) is error
        said.append(str(caught.value))
    assert said[0] == said[1]


class Handle:
    """A handle as Ray Serve's: what its one method answers is given, what it got is kept."""

    def __init__(self, answer: Callable[[], Awaitable[object]]):
        self.answer = answer
        self.got: list[PredictRequest] = []

    @property
    def predict(self) -> Any:
        return SimpleNamespace(remote=self._remote)

    connect = check = predict

    def _remote(self, *arguments: Any) -> Awaitable[object]:
        self.got += arguments[:1]  # the request; its trace goes along
        return self.answer()


def predictor_over(handle: Handle, environment: dict[str, str]) -> RayPredictor:
    return RayPredictor(cast(Any, handle), load_ensembles(settings_from(environment).files, environment))


@pytest.mark.parametrize("cause", [ZeroDivisionError("secret"), TimeoutError("secret")])
async def test_a_fault_in_the_replicas_code_is_ours_and_not_its_loss(
    environment: dict[str, str], cause: Exception
) -> None:
    from ray.exceptions import RayTaskError

    async def fail() -> object:
        raise RayTaskError("predict", "traceback", cause, proctitle="replica", ip="127.0.0.1").as_instanceof_cause()

    with pytest.raises(RayTaskError) as caught:
        await predictor_over(Handle(fail), environment).predict(PredictRequest("pair", (picture(0),)))
    status = status_of(caught.value)
    assert (status.http_code, status.error, bool(status.incident)) == (500, "Internal", True)


async def test_a_replica_that_is_lost_is_not_ready(environment: dict[str, str]) -> None:
    from ray.exceptions import ActorUnavailableError

    async def fail() -> object:
        raise ActorUnavailableError("gone", None)

    with pytest.raises(NotReady, match="replica is gone"):
        await predictor_over(Handle(fail), environment).predict(PredictRequest("pair", (picture(0),)))


async def test_the_time_that_remains_is_handed_over(environment: dict[str, str]) -> None:
    async def refuse() -> object:
        return EmptyBatch("")

    handle = Handle(refuse)
    predictor = predictor_over(handle, environment)
    times_s = [(None, None), (3.0, None), (3.0, 1.02)]
    for deadline_s, latest_s in times_s:
        with pytest.raises(EmptyBatch):
            await predictor.predict(PredictRequest("pair", (), deadline_s=deadline_s, latest_s=latest_s))
    assert [(got.deadline_s, got.latest_s) for got in handle.got] == times_s


async def test_a_graph_that_does_not_answer_at_the_start_is_not_ready(environment: dict[str, str]) -> None:
    async def wait() -> object:
        await asyncio.sleep(9)
        return ()

    with pytest.raises(NotReady, match=r"had not answered after 0\.1 s"):
        await predictor_over(Handle(wait), environment).wait_until_it_answers(0.1)


async def test_members_that_cannot_be_reached_are_named_at_the_start(
    environment: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    async def connect() -> object:
        return {"fast": "no address is set"}

    await predictor_over(Handle(connect), environment).wait_until_it_answers()
    assert caplog.messages == ["member 'fast' will be missing: no address is set"]


async def test_an_application_that_is_never_deployed_is_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.serve.exceptions import RayServeException

    def none(name: str) -> None:
        raise RayServeException(name)

    monkeypatch.setattr("ray.serve.get_app_handle", none)
    with pytest.raises(NotReady, match=r"no application 'strata' was deployed in Ray Serve within 0\.1 s"):
        await find_deployment(0.1)


@pytest.fixture
def ray_serves_ports() -> Iterator[None]:
    """Take the ports of Serve's proxy and of its replicas' own servers: nothing of ours listens there."""
    with ExitStack() as stack:
        for port in (8000, 30_000):
            listener = stack.enter_context(socket.socket())
            with suppress(OSError):  # somebody else has it already
                listener.bind(("127.0.0.1", port))
                listener.listen()
        yield


@pytest.mark.slow
async def test_a_process_with_ray_serve_answers_like_an_embedded_one_and_drains(
    embedded: Predictor, environment: dict[str, str], tmp_path: Path, ray_serves_ports: None
) -> None:
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "services.ensemble"],
            stdout=subprocess.PIPE,
            stderr=log,
            env={**os.environ, **environment, "ENSEMBLE_EXECUTOR": "ray"},
        )
    try:
        assert process.stdout is not None
        address = f"http://127.0.0.1:{json.loads(process.stdout.readline())['http_port']}"
        here = await embedded.predict(PredictRequest("pair", (picture(0),)))
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            assert (await client.get("/readyz")).status_code == 200
            there = (await client.post("/v1/ensembles/pair:predict", content=picture(0))).json()
            refused = await client.post("/v1/ensembles/pair:predict", content=b"none")
        expected = [{"index": s.index, "label": s.label, "score": s.score} for s in here.predictions[0].scores]
        assert there["predictions"] == [{"scores": expected}]
        assert [member["state"] for member in there["members"]] == ["answered", "answered", "failed"]
        assert (refused.status_code, refused.json()["kind"]) == (400, "NotAPicture")
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 0
    said = (tmp_path / "log").read_text()
    assert "member 'nowhere' will be missing" in said
    assert [line for line in said.splitlines() if "serve" in line and not line.startswith("{")] == []


@pytest.mark.slow
async def test_a_front_door_whose_graph_cannot_come_back_says_that_it_is_not_ready(environment: dict[str, str]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "services.ensemble"],
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **environment, "ENSEMBLE_EXECUTOR": "ray"},
    )
    assert process.stdout is not None
    address = f"http://127.0.0.1:{json.loads(process.stdout.readline())['http_port']}"
    started = descendants(process.pid)
    try:
        async with httpx.AsyncClient(base_url=address, timeout=60) as client:
            await until_status(client, 200)
            # Without its raylet Ray starts nothing again: no replica in place of the one that goes too.
            for pid in [pid for pid, program in started.items() if program in ("raylet", "ray::ServeRepli")]:
                os.kill(pid, signal.SIGKILL)
            await until_status(client, 503)
    finally:
        for pid in (process.pid, *started):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.communicate()


async def until_status(client: httpx.AsyncClient, status: int) -> None:
    """Wait until /readyz answers with this status."""
    while (await client.get("/readyz")).status_code != status:
        await asyncio.sleep(0.1)


def descendants(parent: int) -> dict[int, str]:
    """Find the processes that come from this one: number -> name, cut off as Linux does."""
    listed = subprocess.run(["ps", "-eo", "pid=,ppid=,comm="], capture_output=True, text=True, check=True).stdout
    rows = [line.split(None, 2) for line in listed.splitlines()]
    processes = [(int(pid), int(ppid), name.strip()) for pid, ppid, name in rows]
    found: dict[int, str] = {}
    while more := {pid: name for pid, ppid, name in processes if ppid in (parent, *found) and pid not in found}:
        found |= more
    return found
