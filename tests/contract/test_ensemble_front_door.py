"""The front door over live models, on both protocols: answers, deadlines, every error, a member that is killed."""

import asyncio
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import grpc
import httpx
import numpy as np
import pytest
import yaml
from google.protobuf import json_format
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from PIL import Image
from prometheus_client import CollectorRegistry

import services.ensemble.domain
from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.inference.v2 import open_inference_pb2_grpc as oip_grpc
from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge.http_client import client_options
from services.edge.owner_token import sign_owner
from services.edge.status import ERROR_METADATA_KEY
from services.ensemble.domain import MemberState, PredictRequest
from services.ensemble.front_door import FrontDoor, open_front_door
from services.ensemble.graph import open_graph
from services.ensemble.loading import load_ensembles
from services.ensemble.members import MemberAddress
from services.ensemble.receipt_log import read_receipts
from services.ensemble.settings import Settings
from services.ensemble.vigil import Vigil
from services.zoo.model_compile import compile_model
from services.zoo.model_file import read_model_file

if TYPE_CHECKING:
    from services.contracts.strata.ensemble.v1.ensemble_pb2_grpc import EnsembleServiceAsyncStub

SLOW_MS = 700
LATE_MS = 6000
MODELS = {
    "fast": (5, 10),
    "slow": (SLOW_MS, 10),
    "as-slow": (SLOW_MS, 10),
    "late": (LATE_MS, 10),
    "odd": (5, 7),
    "gone": (5, 10),
    "together": (60, 10),
}
LARGEST_PASS = 8
ENSEMBLES: dict[str, list[str]] = {
    "pair": ["fast", "slow"],
    "equals": ["slow", "as-slow"],
    "late": ["fast", "late"],
    "single": ["fast"],
    "only-slow": ["slow"],
    "unlike": ["fast", "odd"],
    "broken": ["gone"],
    "half": ["fast", "gone"],
    "both": ["fast", "slow"],
    "together": ["together"],
}
DECLARED: dict[str, dict[str, Any]] = {"both": {"min_members": 2, "when_late": "start"}}


def png(height: int = 40, width: int = 30) -> bytes:
    file = io.BytesIO()
    Image.fromarray(np.zeros((height, width, 3), np.uint8)).save(file, "PNG")
    return file.getvalue()


def huge_png() -> bytes:
    """A header that promises 100 million pixels."""
    data = bytearray(png())
    data[16:24] = (10_000).to_bytes(4) * 2
    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4)
    return bytes(data)


def narrow_png() -> bytes:
    """A line, small until its height becomes the tensor's."""
    file = io.BytesIO()
    Image.new("1", (7_000_000, 1)).save(file, "PNG")
    return file.getvalue()


@dataclass
class Model:
    process: "subprocess.Popen[bytes]"
    address: str


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensembles")
    (folder / "models").mkdir()
    for name, (delay_ms, classes) in MODELS.items():
        declared: dict[str, Any] = {"name": name, "architecture": "sleep", "weights": "random://0"}
        declared["input"] = {"size": [32, 32]}
        declared["parameters"] = {"delay_ms": delay_ms, "classes": classes}
        if name == "together":
            declared["batching"] = {"largest": LARGEST_PASS}
        (folder / "models" / f"{name}.yaml").write_text(yaml.safe_dump(declared))
    for name, models in ENSEMBLES.items():
        members = [{"model": model} for model in models]
        file = {"name": name, "members": members, "deadline_ms": 20_000, **DECLARED.get(name, {})}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(file))
    return folder


def start_model(folder: Path, name: str, **settings: str) -> Model:
    return ready(start_process(folder, name, **settings))


def start_process(folder: Path, name: str, **settings: str) -> "subprocess.Popen[bytes]":
    compiled = compile_model(read_model_file(folder / "models" / f"{name}.yaml"), folder / "cache")
    return subprocess.Popen(
        [sys.executable, "-m", "services.model"],
        stdout=subprocess.PIPE,
        env={**os.environ, "MODEL_COMPILED": str(compiled), "MODEL_HTTP_ADDRESS": "", **settings},
    )


def ready(process: "subprocess.Popen[bytes]") -> Model:
    assert process.stdout is not None
    return Model(process, f"127.0.0.1:{json.loads(process.stdout.readline())['grpc_port']}")


@pytest.fixture(scope="module")
def models(folder: Path) -> Iterator[dict[str, Model]]:
    processes = {name: start_process(folder, name) for name in MODELS}  # all at once, then they are waited for
    started = {name: ready(process) for name, process in processes.items()}
    started["gone"].process.kill()
    started["gone"].process.wait()
    yield started
    for model in started.values():
        model.process.terminate()
    for model in started.values():
        model.process.communicate(timeout=30)


@pytest.fixture
def settings(folder: Path, models: dict[str, Model]) -> Settings:
    return Settings(
        files=tuple(folder / f"{name}.yaml" for name in ENSEMBLES),
        members={name: MemberAddress(address=model.address) for name, model in models.items()},
        max_pictures=20,
        max_message_bytes=100_000,
        max_ongoing=4,
    )


@pytest.fixture
async def door(settings: Settings) -> AsyncIterator[FrontDoor]:
    async with AsyncExitStack() as stack:
        graph = await stack.enter_async_context(open_graph(load_ensembles(settings.files, {}), settings))
        door = await open_front_door(graph, settings, CollectorRegistry())
        await door.set_ready(True)
        yield door
        await door.drain(0)


@pytest.fixture
async def stub(door: FrontDoor) -> AsyncIterator["EnsembleServiceAsyncStub"]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{door.grpc_port}") as channel:
        yield pb_grpc.EnsembleServiceStub(channel)


@pytest.fixture
async def http(door: FrontDoor) -> AsyncIterator[httpx.AsyncClient]:
    async with client_of(door) as client:
        yield client


def client_of(door: FrontDoor) -> httpx.AsyncClient:
    return httpx.AsyncClient(timeout=30, **client_options(f"http://127.0.0.1:{door.http_port}"))


VARYING = {"latency_ms", "compute_ms", "cpu_seconds", "gb_seconds", "money", "cold", "cold_cpu_seconds"}
"""What two answers to one request differ in; of these only the types are compared."""


def comparable(value: Any) -> Any:
    """An answer as HTTP spells it, without what varies; numbers as float32 has them."""
    if isinstance(value, dict):
        return {key: type(each) if key in VARYING else comparable(each) for key, each in value.items()}
    if isinstance(value, list):
        return [comparable(each) for each in value]
    return round(value, 6) if isinstance(value, float) else value


def spelled(message: Any) -> Any:
    """A message as HTTP spells it: 64-bit numbers as numbers, enumerations without their prefix, null where unset."""
    body = json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )
    body["mode"] = body["mode"].removeprefix("MODE_").lower()
    body.setdefault("expected_accuracy", None)
    for member in body["members"]:
        member["state"] = member["state"].removeprefix("STATE_").lower()
    for line in (*body["receipt"]["lines"], body["receipt"]["total"]):
        line |= {key: int(line[key]) for key in ("requests", "bytes_in", "bytes_out", "store_reads", "store_writes")}
    return body


@pytest.mark.parametrize("ensemble", ["pair", "half"])
async def test_both_protocols_give_the_same_answer(ensemble: str, stub: Any, http: httpx.AsyncClient) -> None:
    message = await stub.Predict(pb.PredictRequest(ensemble=ensemble, pictures=[png(), png()], top_k=3))
    body = (await http.post(f"/v1/ensembles/{ensemble}:predict?top_k=3", files=[("pictures", png())] * 2)).json()
    for answer in (said := spelled(message), body):
        for member in answer["members"]:
            member["error"] = bool(member["error"])  # its text has the moment of the failure in it
    assert comparable(said) == comparable(body)
    scores = [[(s["index"], s["label"], s["score"]) for s in p["scores"]] for p in body["predictions"]]
    assert scores == [[(0, "0", 0.1), (1, "1", 0.1), (2, "2", 0.1)]] * 2
    states = ["answered", "answered" if ensemble == "pair" else "failed"]
    assert [member["state"] for member in body["members"]] == states
    assert [line["requests"] for line in body["receipt"]["lines"]] == [1, 1 if ensemble == "pair" else 0]


def test_an_answer_of_an_older_server_still_parses() -> None:
    written = bytes.fromhex("0a047061697222200a0466617374100119000000000000e03f31000000000000f83f3a04676f6e65")
    member = pb.PredictResponse.FromString(written).members[0]
    assert (member.model, member.state, member.weight, member.compute_ms) == ("fast", 1, 0.5, 1.5)
    assert (member.error, member.cold) == ("gone", False)


async def test_every_answer_has_its_receipt_in_trailers_headers_and_body(stub: Any, http: httpx.AsyncClient) -> None:
    call = stub.Predict(pb.PredictRequest(ensemble="single", pictures=[png()]))
    message = await call
    trailer = json.loads(dict(await call.trailing_metadata())["strata-receipt"])
    answer = await http.post("/v1/ensembles/single:predict", content=png())
    header, body = json.loads(answer.headers["Strata-Receipt"]), answer.json()["receipt"]["total"]
    total = message.receipt.total
    assert trailer["cpu_seconds"] == pytest.approx(total.cpu_seconds, rel=1e-5)
    assert header["allocation"]["gb_seconds"] == pytest.approx(body["allocation"]["gb_seconds"], rel=1e-5)
    assert total.allocation.cpu_seconds >= total.cpu_seconds > 0
    assert total.allocation.gb_seconds > total.gb_seconds > 0
    assert body["allocation"]["money"] > 0


async def test_receipts_are_kept_for_later(settings: Settings, tmp_path: Path) -> None:
    key = "k" * 32
    settings = settings.model_copy(update={"receipts": tmp_path / "receipts", "token_key": key})
    token = sign_owner(key, time.time, "ann")
    async with open_graph(load_ensembles(settings.files, {}), settings) as graph:
        door = await open_front_door(graph, settings, CollectorRegistry())
        async with client_of(door) as client:
            path, owner = "/v1/ensembles/single:predict", "Strata-Owner"
            body = (await client.post(path, content=png(), headers={owner: token})).json()
            forged = await client.post(path, content=png(), headers={owner: sign_owner("x" * 32, time.time, "ann")})
        (entry,) = read_receipts(tmp_path / "receipts")  # before the front door ends: a kill would not lose it
        await door.drain(0)
    assert (entry.ensemble, entry.user) == ("single", "ann")
    assert (forged.status_code, forged.json()["kind"]) == (401, "Unauthenticated")
    assert entry.receipt.total.usage.cpu_seconds == body["receipt"]["total"]["cpu_seconds"]


async def test_a_raw_body_is_one_picture(http: httpx.AsyncClient) -> None:
    answer = await http.post("/v1/ensembles/single:predict", content=png())
    assert answer.status_code == 200
    assert len(answer.json()["predictions"]) == 1


async def test_the_receipt_adds_up(stub: Any) -> None:
    receipt = (await stub.Predict(pb.PredictRequest(ensemble="pair", pictures=[png()]))).receipt
    assert [line.name for line in receipt.lines] == ["fast", "slow"]
    assert receipt.lines[1].gb_seconds > receipt.lines[0].gb_seconds > 0
    assert receipt.lines[0].bytes_in > 32 * 32 * 3 * 4
    assert receipt.total.money == pytest.approx(sum(line.money for line in receipt.lines))
    assert receipt.total.money > 0


async def test_parallel_takes_the_slowest_and_serial_the_sum(stub: Any) -> None:
    request = pb.PredictRequest(ensemble="equals", pictures=[png()])
    parallel = await stub.Predict(request)
    request.mode = pb.MODE_SERIAL
    serial = await stub.Predict(request)
    assert (parallel.mode, serial.mode) == (pb.MODE_PARALLEL, pb.MODE_SERIAL)
    for answer in (parallel, serial):
        assert all(member.latency_ms >= SLOW_MS for member in answer.members)
    assert parallel.latency_ms < sum(member.latency_ms for member in parallel.members)
    assert serial.latency_ms >= sum(member.latency_ms for member in serial.members)


async def test_at_the_deadline_the_answer_names_who_is_missing(stub: Any, http: httpx.AsyncClient) -> None:
    message, answer = await asyncio.gather(
        stub.Predict(pb.PredictRequest(ensemble="late", pictures=[png()], deadline_ms=2000)),
        http.post("/v1/ensembles/late:predict?deadline_ms=2000", content=png()),
    )
    body = answer.json()
    assert [member.state for member in message.members] == [
        pb.MemberAnswer.STATE_ANSWERED,
        pb.MemberAnswer.STATE_MISSING,
    ]
    assert [member["state"] for member in body["members"]] == ["answered", "missing"]
    assert [member.weight for member in message.members] == [1.0, 0.0]
    assert 2000 <= message.latency_ms < LATE_MS


async def test_the_calls_own_deadline_counts_too(stub: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(services.ensemble.domain, "REPLY_MARGIN_S", 2.0)  # the caller waits, however loud the machine
    message = await stub.Predict(pb.PredictRequest(ensemble="late", pictures=[png()]), timeout=4)
    assert message.members[1].state == pb.MemberAnswer.STATE_MISSING
    assert 1900 <= message.latency_ms < LATE_MS


async def test_the_header_request_timeout_counts_as_grpcs_own_deadline_does(
    http: httpx.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services.ensemble.domain, "REPLY_MARGIN_S", 2.0)
    answer = await http.post("/v1/ensembles/late:predict", content=png(), headers={"Request-Timeout": "4"})
    body = answer.raise_for_status().json()
    assert [member["state"] for member in body["members"]] == ["answered", "missing"]
    assert 1900 <= body["latency_ms"] < LATE_MS


async def test_a_body_that_never_ends_is_given_up_when_its_callers_time_is_up(door: FrontDoor) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", door.http_port)
    head = (
        "POST /v1/ensembles/single:predict HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\nRequest-Timeout: 0.3\r\n\r\n"
    )
    writer.write(head.encode() + png()[:20])
    answer = await asyncio.wait_for(reader.readuntil(b"}"), 20)
    assert answer.startswith(b"HTTP/1.1 504 ")
    body = json.loads(answer.partition(b"\r\n\r\n")[2])
    assert body["kind"] == "DeadlineExceeded"
    assert "had not arrived" in body["error"]
    writer.close()


@pytest.mark.parametrize("timeout", ["-1", "0", "3601", "nan", "inf", "soon", "1s", ""])
async def test_a_request_timeout_that_is_none_is_refused(http: httpx.AsyncClient, timeout: str) -> None:
    headers = {"Request-Timeout": timeout}
    answer = await http.post("/v1/ensembles/single:predict", content=png(), headers=headers)
    assert (answer.status_code, answer.json()["kind"]) == (400, "InvalidInput")
    assert "Request-Timeout" in answer.json()["error"]


async def test_a_dead_member_costs_itself_only(stub: Any) -> None:
    message = await stub.Predict(pb.PredictRequest(ensemble="half", pictures=[png()]))
    assert [member.state for member in message.members] == [
        pb.MemberAnswer.STATE_ANSWERED,
        pb.MemberAnswer.STATE_FAILED,
    ]
    assert "UNAVAILABLE" in message.members[1].error
    assert len(message.predictions) == 1


async def test_a_member_killed_while_it_works_costs_itself_only(folder: Path, settings: Settings) -> None:
    victim = start_model(folder, "slow")
    settings = settings.model_copy(
        update={"members": {**settings.members, "slow": MemberAddress(address=victim.address)}}
    )
    async with open_graph(load_ensembles(settings.files, {}), settings) as graph:
        door = await open_front_door(graph, settings, CollectorRegistry())
        async with grpc.aio.insecure_channel(f"127.0.0.1:{door.grpc_port}") as channel:
            victim.process.send_signal(signal.SIGSTOP)  # it works until it is killed, however long that takes
            call = pb_grpc.EnsembleServiceStub(channel).Predict(pb.PredictRequest(ensemble="pair", pictures=[png()]))
            await asyncio.sleep(SLOW_MS / 2e3)
            victim.process.kill()
            message = await call
        await door.drain(0)
    victim.process.communicate()
    assert [member.state for member in message.members] == [
        pb.MemberAnswer.STATE_ANSWERED,
        pb.MemberAnswer.STATE_FAILED,
    ]


async def test_both_protocols_say_what_the_graph_behind_lets_them_say(settings: Settings) -> None:
    now_s = 0.0
    vigil = Vigil(lambda: now_s)
    async with open_graph(load_ensembles(settings.files, {}), settings) as graph:
        door = await open_front_door(graph, settings, CollectorRegistry())
        await door.set_ready(True)

        async def said() -> tuple[int, int, int]:
            await door.follow(vigil)
            async with client_of(door) as client:
                ready, alive = [(await client.get(path)).status_code for path in ("/readyz", "/healthz")]
            async with grpc.aio.insecure_channel(f"127.0.0.1:{door.grpc_port}") as channel:
                stub: Any = health_pb2_grpc.HealthStub(channel)
                health = await stub.Check(health_pb2.HealthCheckRequest())
            return ready, alive, health.status

        serving, not_serving = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING
        assert await said() == (200, 200, serving)
        for _ in range(2):
            vigil.missed()
        assert await said() == (503, 200, not_serving)
        vigil.answered()
        assert await said() == (200, 200, serving)
        for _ in range(2):
            vigil.missed()
        now_s = 3600.0
        assert await said() == (503, 503, not_serving)
        await door.drain(0)


@dataclass(frozen=True)
class Fault:
    """A request that is refused: what to send, and how both protocols say so."""

    ensemble: str
    pictures: tuple[bytes, ...]
    error: str
    grpc_code: grpc.StatusCode
    http_code: int
    said: str
    deadline_ms: int = 0


FAULTS = [
    Fault("nowhere", (png(),), "EnsembleNotFound", grpc.StatusCode.NOT_FOUND, 404, "no ensemble 'nowhere'"),
    Fault("singel", (png(),), "EnsembleNotFound", grpc.StatusCode.NOT_FOUND, 404, "did you mean 'single'"),
    Fault("single", (), "EmptyBatch", grpc.StatusCode.INVALID_ARGUMENT, 400, "no pictures"),
    Fault("single", (png(),) * 21, "BatchTooLarge", grpc.StatusCode.INVALID_ARGUMENT, 400, "may have 20"),
    Fault("single", (b"",) * 41, "BatchTooLarge", grpc.StatusCode.INVALID_ARGUMENT, 400, "send them in several"),
    Fault("single", (b"GIF89a?",), "NotAPicture", grpc.StatusCode.INVALID_ARGUMENT, 400, "picture 0"),
    Fault("single", (png(), png()[:60]), "NotAPicture", grpc.StatusCode.INVALID_ARGUMENT, 400, "picture 1"),
    Fault("single", (huge_png(),), "PictureTooLarge", grpc.StatusCode.INVALID_ARGUMENT, 400, "10000 x 10000"),
    Fault(
        "single", (narrow_png(),), "PictureTooLarge", grpc.StatusCode.INVALID_ARGUMENT, 400, "7000000 x 1 pixels become"
    ),
    Fault("unlike", (png(),), "ShapeMismatch", grpc.StatusCode.INVALID_ARGUMENT, 400, "'fast' 10, 'odd' 7"),
    Fault("broken", (png(),), "MemberUnavailable", grpc.StatusCode.UNAVAILABLE, 503, "'gone'"),
    Fault("only-slow", (png(),), "DeadlineExceeded", grpc.StatusCode.DEADLINE_EXCEEDED, 504, "'slow'", 100),
]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.error}-{fault.ensemble}")
async def test_a_refusal_has_its_status_on_both_protocols(fault: Fault, stub: Any, http: httpx.AsyncClient) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Predict(
            pb.PredictRequest(ensemble=fault.ensemble, pictures=fault.pictures, deadline_ms=fault.deadline_ms)
        )
    assert caught.value.code() is fault.grpc_code
    assert dict(caught.value.trailing_metadata() or ())[ERROR_METADATA_KEY] == fault.error
    assert fault.said in (caught.value.details() or "")

    parameters = {"deadline_ms": fault.deadline_ms} if fault.deadline_ms else {}
    body: dict[str, Any] = {"files": [("pictures", p) for p in fault.pictures]} if len(fault.pictures) > 1 else {}
    body = body or {"content": b"".join(fault.pictures)}
    answer = await http.post(f"/v1/ensembles/{fault.ensemble}:predict", params=parameters, **body)
    assert (answer.status_code, answer.json()["kind"]) == (fault.http_code, fault.error)
    assert fault.said in answer.json()["error"]


async def test_one_request_too_many_is_refused_and_the_others_are_answered(stub: Any, http: httpx.AsyncClient) -> None:
    request = pb.PredictRequest(ensemble="late", pictures=[png()], deadline_ms=3000)
    calls = [stub.Predict(request) for _ in range(4)]
    while "strata_ensemble_requests_under_way 4.0" not in (await http.get("/metrics")).text:
        await asyncio.sleep(0.01)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Predict(request)
    assert (caught.value.code(), dict(caught.value.trailing_metadata() or ())[ERROR_METADATA_KEY]) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "QueueFull",
    )
    refused = await http.post("/v1/ensembles/late:predict", content=png())
    assert (refused.status_code, refused.json()["kind"]) == (429, "QueueFull")
    assert all(answer.predictions for answer in await asyncio.gather(*calls))


async def test_of_a_burst_that_is_let_in_every_member_answers_every_request(settings: Settings) -> None:
    at_most = Settings.model_fields["max_ongoing"].default
    settings = settings.model_copy(update={"max_pictures": 1000})
    async with open_graph(load_ensembles(settings.files, {}), settings) as graph:
        request = PredictRequest("single", (png(8, 8),) * 65)  # two chunks, which are under way at once
        answers = await asyncio.gather(*(graph.predict(request) for _ in range(at_most)))
    assert {member.state for answer in answers for member in answer.members} == {MemberState.ANSWERED}


async def test_chunks_are_no_larger_than_a_member_takes(folder: Path, settings: Settings) -> None:
    limited = start_model(folder, "fast", MODEL_MAX_BATCH="4")
    try:
        address = MemberAddress(address=limited.address, max_batch=4)
        settings = settings.model_copy(update={"members": {**settings.members, "fast": address}})
        async with open_graph(load_ensembles(settings.files, {}), settings) as graph:
            (member,) = (await graph.predict(PredictRequest("single", (png(),) * 10))).members
        assert (member.state, member.error, len(member.predictions)) == (MemberState.ANSWERED, "", 10)
    finally:
        limited.process.terminate()
        limited.process.communicate(timeout=30)


async def test_a_body_over_the_limit_is_refused(stub: Any, http: httpx.AsyncClient) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Predict(pb.PredictRequest(ensemble="single", pictures=[bytes(200_000)]))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert (await http.post("/v1/ensembles/single:predict", content=bytes(200_000))).status_code == 413


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("mode=both", "query.mode"),
        ("deadline_ms=0", "query.deadline_ms"),
        ("deadline_ms=3600001", "query.deadline_ms"),
        (f"deadline_ms={'9' * 400}", "query.deadline_ms"),
        ("top_k=none", "query.top_k"),
    ],
)
async def test_a_wrong_parameter_is_named(http: httpx.AsyncClient, query: str, said: str) -> None:
    answer = await http.post(f"/v1/ensembles/single:predict?{query}", content=png())
    assert (answer.status_code, answer.json()["kind"]) == (400, "InvalidInput")
    assert said in answer.json()["error"]


async def test_an_unknown_mode_is_refused_over_grpc(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Predict(pb.PredictRequest(ensemble="single", pictures=[png()], mode=7))  # type: ignore[arg-type]
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_a_deadline_beyond_an_hour_is_refused_over_grpc(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError, match="deadline_ms is 3600001") as caught:
        await stub.Predict(pb.PredictRequest(ensemble="single", pictures=[png()], deadline_ms=3_600_001))
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


@pytest.mark.parametrize(
    ("form", "error"),
    [({"files": [("photos", png())]}, "InvalidInput"), ({"files": [("pictures", (None, "text"))]}, "InvalidInput")],
)
async def test_a_form_without_picture_files_is_refused(http: httpx.AsyncClient, form: Any, error: str) -> None:
    answer = await http.post("/v1/ensembles/single:predict", **form)
    assert (answer.status_code, answer.json()["kind"]) == (400, error)


async def test_the_lists_say_what_is_served(stub: Any, http: httpx.AsyncClient) -> None:
    listed = (await stub.ListEnsembles(pb.ListEnsemblesRequest())).ensembles
    bodies = (await http.get("/v1/ensembles")).json()
    assert [each.name for each in listed] == [body["name"] for body in bodies] == list(ENSEMBLES)
    assert (listed[0].rule, listed[0].mode, listed[0].deadline_ms) == ("mean", pb.MODE_PARALLEL, 20_000)
    models = {model["name"]: model for model in (await http.get("/v1/models")).json()}
    assert models["slow"]["ensembles"] == ["pair", "equals", "only-slow", "both"]
    assert models["slow"]["input_size"] == [32, 32]


async def test_health_and_reflection_name_the_service(door: FrontDoor, http: httpx.AsyncClient) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{door.grpc_port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest(service="strata.ensemble.v1.EnsembleService")
        assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.SERVING
        reflection: Any = reflection_pb2_grpc.ServerReflectionStub(channel)  # type: ignore[arg-type]
        call = reflection.ServerReflectionInfo(iter([reflection_pb2.ServerReflectionRequest(list_services="")]))
        async for answer in call:
            names = [service.name for service in answer.list_services_response.service]
            assert "strata.ensemble.v1.EnsembleService" in names
    assert (await http.get("/readyz")).status_code == 200
    await door.set_ready(False)
    assert (await http.get("/readyz")).status_code == 503


async def test_metrics_count_answers_refusals_and_members(http: httpx.AsyncClient) -> None:
    await http.post("/v1/ensembles/half:predict", content=png())
    await http.post("/v1/ensembles/no-such-name:predict", content=png())
    text = (await http.get("/metrics")).text
    assert 'strata_ensemble_requests_total{ensemble="half",outcome="answered"} 1.0' in text
    assert 'strata_ensemble_requests_total{ensemble="",outcome="EnsembleNotFound"} 1.0' in text
    assert 'strata_ensemble_members_total{ensemble="half",model="gone",state="failed"} 1.0' in text
    assert "no-such-name" not in text


async def test_the_page_describes_the_request_and_loads_nothing_from_elsewhere(http: httpx.AsyncClient) -> None:
    page = (await http.get("/docs")).text
    assert (await http.get("/", follow_redirects=True)).text == page
    sources = re.findall(r'(?:src|href)="([^"]*)"', page)
    assert len(sources) == 3
    assert "https://" not in page
    assert [(await http.get(source)).status_code for source in sources] == [200] * 3
    operation = (await http.get("/openapi.json")).json()["paths"]["/v1/ensembles/{name}:predict"]["post"]
    assert set(operation["requestBody"]["content"]) >= {"image/png", "image/jpeg", "multipart/form-data"}
    assert set(operation["responses"]) == {"200", "400", "404", "408", "413", "415", "4XX", "503", "504"}


async def test_waking_starts_every_member_and_says_which_does_not_run(stub: Any, http: httpx.AsyncClient) -> None:
    message = await stub.Wake(pb.WakeRequest(ensemble="half"), timeout=5)
    answer = await http.post("/v1/ensembles/half:wake", headers={"Request-Timeout": "5"})
    over_grpc = {each.model: each.error for each in message.members}
    over_http = {each["model"]: each["error"] for each in answer.json()}
    for members in (over_grpc, over_http):
        assert members["fast"] == ""
        assert "UNAVAILABLE" in members["gone"] or "not ready by the deadline" in members["gone"]
    assert (await http.post("/v1/ensembles/none:wake")).status_code == 404


async def test_fewer_members_than_an_ensemble_asks_for_are_no_answer(stub: Any) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Predict(pb.PredictRequest(ensemble="both", pictures=[png()], deadline_ms=SLOW_MS // 2))
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert "only 1 of the 2 members" in (raised.value.details() or "")
    assert "missing: 'slow'" in (raised.value.details() or "")


async def test_what_cannot_be_in_time_is_refused_at_once_and_says_when_to_ask_again(
    stub: Any, http: httpx.AsyncClient
) -> None:
    for _ in range(2):  # before it has been asked, nobody knows how long it takes
        await stub.Predict(pb.PredictRequest(ensemble="only-slow", pictures=[png()]))
    began = asyncio.get_running_loop().time()
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await stub.Predict(pb.PredictRequest(ensemble="only-slow", pictures=[png()], deadline_ms=SLOW_MS // 2))
    answer = await http.post(f"/v1/ensembles/only-slow:predict?deadline_ms={SLOW_MS // 2}", content=png())
    assert asyncio.get_running_loop().time() - began < SLOW_MS / 2e3
    assert raised.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    metadata = dict(raised.value.trailing_metadata() or ())
    assert metadata[ERROR_METADATA_KEY] == "LateAlready"
    assert SLOW_MS / 4 < float(metadata["grpc-retry-pushback-ms"]) < SLOW_MS
    assert (answer.status_code, answer.json()["kind"], answer.headers["Retry-After"]) == (429, "LateAlready", "1")
    assert f"of the {SLOW_MS // 2} ms that it came with" in answer.json()["error"]


async def test_a_member_that_would_be_late_is_not_started_and_says_so(stub: Any) -> None:
    for _ in range(2):
        await stub.Predict(pb.PredictRequest(ensemble="pair", pictures=[png()]))
    answer = await stub.Predict(pb.PredictRequest(ensemble="pair", pictures=[png()], deadline_ms=SLOW_MS // 2))
    assert answer.latency_ms < SLOW_MS / 2
    assert answer.members[1].state == pb.MemberAnswer.STATE_MISSING
    assert "was not started" in answer.members[1].error
    assert [line.requests for line in answer.receipt.lines] == [1, 0]


async def test_requests_through_an_ensemble_run_together_at_a_member_that_batches(
    settings: Settings, models: dict[str, Model]
) -> None:
    served = load_ensembles([path for path in settings.files if path.stem == "together"], {})
    async with open_graph(served, settings) as graph:
        request = PredictRequest("together", (png(),))
        await graph.predict(request)  # says how many run together
        before = await passes_so_far(models["together"])
        await asyncio.gather(*(graph.predict(request) for _ in range(3 * LARGEST_PASS)))
    # One that runs alone because it came first, the pass that asks, and one to spare for those that came apart.
    assert await passes_so_far(models["together"]) - before <= 3 + 3


async def passes_so_far(model: Model) -> int:
    """The number of the pass that a request of its own runs in."""
    tensor = oip.ModelInferRequest.InferInputTensor(name="image", datatype="FP32", shape=(1, 3, 32, 32))
    request = oip.ModelInferRequest(
        model_name="together", inputs=[tensor], raw_input_contents=[np.zeros((1, 3, 32, 32), np.float32).tobytes()]
    )
    async with grpc.aio.insecure_channel(model.address) as channel:
        answer = await oip_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request)
    assert answer.parameters["pass_largest"].int64_param == LARGEST_PASS
    return answer.parameters["pass_number"].int64_param
