"""What users of an installed Strata do: predict, over every protocol, warm and from zero, with good input and bad."""

import json
import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import grpc
import httpx
import numpy as np
import pytest

from services.bench.cluster import run
from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.inference.v2 import open_inference_pb2_grpc as oip_grpc
from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from tests.cluster.installed import (
    MEMBERS,
    RELEASE,
    ROOT,
    TIMEOUT_S,
    Install,
    batch,
    images,
    ingress,
    namespace,
    pictures,
    tensor_request,
)

PREDICT = "/v1/ensembles/fashion:predict"
PATIENT = {"deadline_ms": 60_000}


@pytest.fixture(scope="module")
def rest_model() -> Iterator[tuple[str, str]]:
    """A model that speaks REST, beside the others in a namespace of its own: base address, and its Host."""
    with namespace("rest") as beside:
        name = MEMBERS[1]
        models: dict[str, object] = {**dict.fromkeys(MEMBERS), name: {"protocol": "rest", "scale": {"max": 1}}}
        beside.install("rest", {"images": images(), "models": models, "ensemble": {"replicas": 0}})
        yield ingress(), beside.authority(name)


def test_helm_test_proves_the_install(install: Install) -> None:
    command = ["helm", "test", RELEASE, "--namespace", install.cluster.namespace, "--logs"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_http_and_grpc_give_the_same_answer_of_all_members(install: Install, front_door: httpx.Client) -> None:
    picture = pictures()["Bag"]
    body = front_door.post(PREDICT, content=picture, params=PATIENT).raise_for_status().json()
    with grpc.insecure_channel(install.grpc) as channel:
        request = pb.PredictRequest(ensemble="fashion", pictures=[picture], deadline_ms=60_000)
        answer = pb_grpc.EnsembleServiceStub(channel).Predict(request, timeout=TIMEOUT_S)
    assert {member["model"]: member["state"] for member in body["members"]} == dict.fromkeys(MEMBERS, "answered")
    over_http = [(score["label"], score["score"]) for score in body["predictions"][0]["scores"]]
    over_grpc = [(score.label, score.score) for score in answer.predictions[0].scores]
    assert [label for label, _ in over_http] == [label for label, _ in over_grpc]
    np.testing.assert_allclose([s for _, s in over_http], [s for _, s in over_grpc], rtol=1e-5)
    assert answer.receipt.total.cpu_seconds > 0


def test_serial_and_parallel_answers_are_the_same(front_door: httpx.Client) -> None:
    picture = pictures()["Sneaker"]
    answers = [
        front_door.post(PREDICT, content=picture, params={**PATIENT, "mode": mode}).raise_for_status().json()
        for mode in ("serial", "parallel")
    ]
    assert [answer["mode"] for answer in answers] == ["serial", "parallel"]
    assert answers[0]["predictions"] == answers[1]["predictions"]


def test_answers_are_those_of_the_same_ensemble_on_this_machine(front_door: httpx.Client, tmp_path: Path) -> None:
    example = ROOT / "examples" / "fashion"
    files = [str(next(iter(sorted(folder.glob("*.png"))))) for folder in sorted((example / "pictures").iterdir())]
    options = ("--ensemble", str(example / "ensemble.yaml"), "--deadline-ms", "60000", "--json")
    command = [sys.executable, "-m", "services.cli", "ensemble", "predict", *files, *options]
    own_state = {**os.environ, "STRATA_STATE": str(tmp_path)}
    done = subprocess.run(command, capture_output=True, text=True, env=own_state, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    answers = json.loads(done.stdout)["pictures"]
    assert len(answers) == len(files)
    for here in answers:
        picture = Path(here["picture"]).read_bytes()
        there = front_door.post(PREDICT, content=picture, params={**PATIENT, "top_k": 10}).raise_for_status().json()
        scores = {score["label"]: score["score"] for score in there["predictions"][0]["scores"]}
        expected = {score["label"]: score["score"] for score in here["predictions"][0]["scores"]}
        assert {label: scores[label] for label in expected} == pytest.approx(expected, abs=1e-4)


def test_a_model_answers_directly_through_the_ingress(install: Install) -> None:
    named = [("grpc.default_authority", install.host(MEMBERS[0]))]
    with grpc.insecure_channel(install.cluster.ingress, named) as channel:
        stub = oip_grpc.GRPCInferenceServiceStub(channel)
        image = batch(MEMBERS[0], 2)
        metadata = stub.ModelMetadata(oip.ModelMetadataRequest(name=MEMBERS[0]), timeout=TIMEOUT_S)
        answer = stub.ModelInfer(tensor_request(MEMBERS[0], image), timeout=TIMEOUT_S)
    (tensor,) = [each for each in metadata.inputs if each.datatype == "FP32"]
    assert list(tensor.shape) == [-1, *image.shape[1:]]
    assert list(answer.outputs[0].shape) == [2, 10]


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_kserves_own_client_gets_scores(protocol: str, install: Install, rest_model: tuple[str, str]) -> None:
    name = MEMBERS[1]
    ingress, host = (install.ingress, install.host(name)) if protocol == "grpc" else rest_model
    script = Path(__file__).with_name("kserve_client.py")
    shape = [str(length) for length in batch(name, 2).shape]
    command = [sys.executable, str(script), protocol, ingress, host, name, *shape]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["ready"] is True
    assert np.isfinite(found["scores"]).all()
    assert np.shape(found["scores"]) == (2, 10)


def test_models_go_to_zero_and_the_first_request_after_is_answered_by_all(
    install: Install, front_door: httpx.Client
) -> None:
    for model in MEMBERS:
        install.cluster.wait_for_zero(model)
    answer = front_door.post(PREDICT, content=pictures()["Dress"], params=PATIENT)
    assert answer.status_code == 200, answer.text
    assert {member["state"] for member in answer.json()["members"]} == {"answered"}
    assert all(member["cold"] for member in answer.json()["members"])


def test_the_request_in_the_notes_is_answered_from_zero(install: Install) -> None:
    for model in MEMBERS:
        install.cluster.wait_for_zero(model)
    notes = run("helm", "get", "notes", RELEASE, "--namespace", install.cluster.namespace)
    (line,) = [line for line in notes.splitlines() if line.strip().startswith("curl ")]
    command = shlex.split(line.replace("http://127.0.0.1:8000", install.http))
    command[command.index("@PICTURE")] = f"@{next(iter((ROOT / 'examples/fashion/pictures/Coat').glob('*.png')))}"
    answer = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    assert {member["state"] for member in answer["members"]} == {"answered"}


@pytest.mark.parametrize(
    ("path", "content", "status", "error"),
    [
        (PREDICT, b"no picture", 400, "NotAPicture"),
        (PREDICT, b"", 400, "EmptyBatch"),
        (PREDICT, "half", 400, "NotAPicture"),
        ("/v1/ensembles/fashio:predict", "whole", 404, "EnsembleNotFound"),
        (PREDICT, b"x" * (64 * 2**20 + 1), 413, "TooLarge"),
    ],
    ids=["no picture", "nothing", "truncated", "unknown ensemble", "too large"],
)
def test_front_door_names_what_is_wrong(
    path: str, content: bytes | str, status: int, error: str, front_door: httpx.Client
) -> None:
    picture = pictures()["Bag"]
    body = {"half": picture[: len(picture) // 2], "whole": picture}.get(str(content), content)
    answer = front_door.post(path, content=body)
    assert (answer.status_code, answer.json()["kind"]) == (status, error)


def _json_tensor(count: int, value: str = "0.0", datatype: str = "FP32", cut: int = 0) -> str:
    """A request for MEMBERS[1] in JSON, its pictures `cut` pixels too low."""
    _, channels, height, width = batch(MEMBERS[1], 0).shape
    shape = [count, channels, height - cut, width]
    values = ",".join([value] * int(np.prod(shape)))
    return f'{{"inputs": [{{"name": "image", "datatype": "{datatype}", "shape": {shape}, "data": [{values}]}}]}}'


@pytest.mark.parametrize(
    ("model", "body", "status", "error"),
    [
        (MEMBERS[1], "{", 400, "InvalidInput"),
        (MEMBERS[1], _json_tensor(1, cut=1), 400, "ShapeMismatch"),
        (MEMBERS[1], _json_tensor(0), 400, "EmptyBatch"),
        (MEMBERS[1], _json_tensor(1, "0", "INT32"), 400, "DtypeMismatch"),
        (MEMBERS[1], _json_tensor(1, "NaN"), 400, "NonFiniteInput"),
        (MEMBERS[1], _json_tensor(65), 400, "BatchTooLarge"),
        ("fashion-alexnet", _json_tensor(1), 404, "ModelNotFound"),
    ],
    ids=["no JSON", "shape", "empty", "dtype", "NaN", "batch", "model"],
)
def test_a_model_names_what_is_wrong_through_the_ingress(
    model: str, body: str, status: int, error: str, rest_model: tuple[str, str]
) -> None:
    ingress, host = rest_model
    url = f"{ingress}/v2/models/{model}/infer"
    answer = httpx.post(url, content=body, headers={"host": host}, timeout=TIMEOUT_S)
    assert answer.status_code == status, answer.text
    assert error in answer.text


def test_a_grpc_model_names_what_is_wrong_through_the_ingress(install: Install) -> None:
    named = [("grpc.default_authority", install.host(MEMBERS[0]))]
    with grpc.insecure_channel(install.cluster.ingress, named) as channel:
        stub = oip_grpc.GRPCInferenceServiceStub(channel)
        good = batch(MEMBERS[0], 1)
        for image, name, code in (
            (good[:, :, 1:], MEMBERS[0], grpc.StatusCode.INVALID_ARGUMENT),
            (good + np.float32(np.nan), MEMBERS[0], grpc.StatusCode.INVALID_ARGUMENT),
            (good, "alexnet", grpc.StatusCode.NOT_FOUND),
        ):
            with pytest.raises(grpc.RpcError) as raised:
                stub.ModelInfer(tensor_request(name, image), timeout=TIMEOUT_S)
            assert raised.value.code() == code
