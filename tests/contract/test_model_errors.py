"""Every error of the model service, through a live server, on both protocols."""

import ast
import asyncio
import io
import json
import struct
import threading
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import grpc
import httpx
import numpy as np
import pytest
from PIL import Image

import services.model
from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.contracts.inference.v2 import open_inference_pb2_grpc as pb_grpc
from services.edge import errors
from services.edge.grpc_server import start_grpc
from services.edge.http_client import client_options
from services.edge.http_server import start_http
from services.edge.meter import process_began, read_process
from services.edge.status import ERROR_METADATA_KEY, status_of
from services.model.domain import Images
from services.model.grpc_api import SERVICE, InferenceServicer
from services.model.http_api import create_app
from services.model.ledger import Ledger
from services.model.open_inference_json import HEADER_LENGTH
from services.model.usecases import Model
from services.zoo.manifest import InputSpec, Manifest
from services.zoo.preprocessing import decode, preprocess

if TYPE_CHECKING:
    Stub: TypeAlias = pb_grpc.GRPCInferenceServiceAsyncStub

MAX_BATCH = 4
MAX_MESSAGE_BYTES = 100_000
SPEC = InputSpec((8, 8), 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")
MANIFEST = Manifest("tiny", "v1", "sleep", "image", (-1, 3, 8, 8), "scores", (-1, 2), (), SPEC, {})
IMAGE = np.zeros((1, 3, 8, 8), np.float32)


def picture(size: tuple[int, int] = (16, 12)) -> bytes:
    return png(Image.effect_noise(size, 50).convert("RGB"))


def huge_picture() -> bytes:
    """100 megapixels in 15 kB."""
    return png(Image.new("1", (10_000, 10_000)))


def narrow_picture() -> bytes:
    """A line of 7 megapixels in 1 kB; resized to a height of 8 it would have 448 million."""
    return png(Image.new("1", (7_000_000, 1)))


def png(image: Image.Image) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def elements(*data: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(each)) + each for each in data)


@dataclass(frozen=True)
class Case:
    """One request in the raw form that both protocols have, and the error it meets."""

    error: type[errors.StrataError]
    message: str
    model: str = "tiny"
    version: str = ""
    name: str = "image"
    datatype: str = "FP32"
    shape: tuple[int, ...] = IMAGE.shape
    raw: bytes = field(default=IMAGE.tobytes(), repr=False)
    output: str = "scores"

    def to_message(self) -> pb.ModelInferRequest:
        return pb.ModelInferRequest(
            model_name=self.model,
            model_version=self.version,
            inputs=[pb.ModelInferRequest.InferInputTensor(name=self.name, datatype=self.datatype, shape=self.shape)],
            outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name=self.output)],
            raw_input_contents=[self.raw],
        )

    async def post(self, client: httpx.AsyncClient) -> httpx.Response:
        size = {"binary_data_size": len(self.raw)}
        tensor = {"name": self.name, "datatype": self.datatype, "shape": self.shape, "parameters": size}
        header = json.dumps({"inputs": [tensor], "outputs": [{"name": self.output}]}).encode()
        version = f"/versions/{self.version}" if self.version else ""
        return await client.post(
            f"/v2/models/{self.model}{version}/infer",
            content=header + self.raw,
            headers={HEADER_LENGTH: str(len(header))},
        )


def of_pictures(*data: bytes, **changes: object) -> dict[str, object]:
    return {"name": "picture", "datatype": "BYTES", "shape": (len(data),), "raw": elements(*data), **changes}


CASES = [
    Case(errors.ModelNotFound, "'tiny' is", model="large"),
    Case(errors.ModelNotFound, "in version 'v1'", version="v2"),
    Case(errors.UnknownTensor, "input 'pixels'", name="pixels"),
    Case(errors.UnknownTensor, "output 'boxes'", output="boxes"),
    Case(errors.DtypeMismatch, "FP64", datatype="FP64", raw=IMAGE.astype(np.float64).tobytes()),
    Case(errors.DtypeMismatch, "'FP8' is not one of", datatype="FP8"),
    Case(errors.ShapeMismatch, "takes [N, 3, 8, 8]", shape=(1, 8, 8, 3)),
    Case(errors.ShapeMismatch, "700 bytes", raw=IMAGE.tobytes()[:700]),
    Case(errors.ShapeMismatch, "65 axes", shape=(1,) * 65),
    Case(errors.ShapeMismatch, "no array has shape", shape=(0, 2**62, 2**62), raw=b""),
    Case(errors.EmptyBatch, "empty", shape=(0, 3, 8, 8), raw=b""),
    Case(errors.BatchTooLarge, "at most 4", shape=(5, 3, 8, 8), raw=IMAGE.tobytes() * 5),
    Case(errors.NonFiniteInput, "nan at [2, 7, 7]", raw=IMAGE.tobytes()[:-4] + np.float32(np.nan).tobytes()),
    Case(errors.NotAPicture, "picture 0", **of_pictures(b"GIF89 or so")),  # type: ignore[arg-type]
    Case(errors.NotAPicture, "picture 1", **of_pictures(picture(), picture()[:-40])),  # type: ignore[arg-type]
    Case(errors.NotAPicture, "picture 0", **of_pictures(b"")),  # type: ignore[arg-type]
    Case(errors.PictureTooLarge, "10000 x 10000", **of_pictures(huge_picture())),  # type: ignore[arg-type]
    Case(errors.PictureTooLarge, "become 56000000 x 8", **of_pictures(narrow_picture())),  # type: ignore[arg-type]
    Case(errors.ShapeMismatch, "cut short", **of_pictures(b"x", raw=elements(b"x")[:3])),  # type: ignore[arg-type]
]
ELSEWHERE = {errors.NotReady, errors.QueueFull, errors.InvalidInput, errors.TooLarge, errors.Internal}
"""Errors that one request in the raw form cannot cause: each has its own test below."""


class Engine:
    def __init__(self) -> None:
        self.go = threading.Event()
        self.go.set()
        self.fault: Exception | None = None
        self.score = 0.0

    def __call__(self, images: Images) -> Images:
        self.go.wait(10)
        if self.fault:
            raise self.fault
        return np.asarray(images.mean((2, 3))[:, :2] + np.float32(self.score))


@dataclass(frozen=True)
class Live:
    model: Model
    engine: Engine
    stub: "Stub"
    http: httpx.AsyncClient
    channel: grpc.aio.Channel


@pytest.fixture
async def loading() -> AsyncIterator[Live]:
    """Both servers, before the model is loaded."""
    engine = Engine()
    read_picture = lambda data: preprocess(decode(data), SPEC).numpy()  # noqa: E731
    ledger = Ledger(process_began(), one_thread=False)
    model = Model(MANIFEST, lambda: engine, read_picture, MAX_BATCH, 2, read_process, ledger)
    grpc_server = await start_grpc("127.0.0.1:0", [(SERVICE, InferenceServicer(model).add_to)], MAX_MESSAGE_BYTES, 8)
    http_server = await start_http(create_app(model, MAX_MESSAGE_BYTES, 8), "127.0.0.1", 0)
    async with (
        grpc.aio.insecure_channel(f"127.0.0.1:{grpc_server.port}") as channel,
        httpx.AsyncClient(**client_options(f"http://127.0.0.1:{http_server.port}")) as http,
    ):
        yield Live(model, engine, pb_grpc.GRPCInferenceServiceStub(channel), http, channel)
    await grpc_server.drain(0)
    await http_server.drain()


@pytest.fixture
async def live(loading: Live) -> Live:
    await loading.model.load()
    return loading


async def refused_by_grpc(stub: "Stub", message: pb.ModelInferRequest) -> tuple[grpc.StatusCode, str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.ModelInfer(message)
    error = caught.value
    return error.code(), str(dict(error.trailing_metadata()).get(ERROR_METADATA_KEY)), error.details() or ""


GOOD = Case(errors.StrataError, "")


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.error.__name__}-{case.message}")
async def test_a_bad_request_has_the_status_and_name_of_its_error_and_harms_no_other(live: Live, case: Case) -> None:
    expected = status_of(case.error(""))
    code, name, details = await refused_by_grpc(live.stub, case.to_message())
    assert (code, name) == (expected.grpc_code, case.error.__name__)
    assert case.message in details
    answer = await case.post(live.http)
    assert (answer.status_code, answer.json()["kind"]) == (expected.http_code, case.error.__name__)
    assert answer.json()["error"] == details
    assert (await live.stub.ModelInfer(GOOD.to_message())).outputs[0].shape == [1, 2]
    assert (await GOOD.post(live.http)).status_code == 200


def raised_in_the_service() -> Iterator[type[errors.StrataError]]:
    for path in Path(services.model.__path__[0]).glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "services.edge.errors":
                yield from (getattr(errors, alias.name) for alias in node.names)


def test_no_error_that_a_request_can_meet_is_left_out() -> None:
    at_start = {errors.InvalidDeclaration, errors.InvalidWeights, errors.Unsupported}
    bases = {errors.StrataError, errors.NotFound}
    from_pictures = {errors.NotAPicture, errors.PictureTooLarge}
    from_the_rim = {errors.TooLarge, errors.QueueFull}
    walked = {case.error for case in CASES} | ELSEWHERE
    assert set(raised_in_the_service()) - at_start - bases | from_pictures | from_the_rim == walked


async def test_before_it_is_loaded_it_is_live_and_not_ready_and_says_so(loading: Live) -> None:
    code, name, _ = await refused_by_grpc(loading.stub, GOOD.to_message())
    assert (code, name) == (grpc.StatusCode.UNAVAILABLE, "NotReady")
    answer = await GOOD.post(loading.http)
    assert (answer.status_code, answer.json()["kind"]) == (503, "NotReady")
    assert (await loading.stub.ServerLive(pb.ServerLiveRequest())).live
    assert not (await loading.stub.ServerReady(pb.ServerReadyRequest())).ready
    assert not (await loading.stub.ModelReady(pb.ModelReadyRequest(name="tiny"))).ready
    statuses = {path: (await loading.http.get(path)).status_code for path in READY_PATHS}
    assert statuses == {"/v2/health/live": 200, "/healthz": 200} | dict.fromkeys(
        ("/v2/health/ready", "/readyz", "/v2/models/tiny/ready"), 503
    )


READY_PATHS = ("/v2/health/live", "/healthz", "/v2/health/ready", "/readyz", "/v2/models/tiny/ready")


async def test_once_loaded_it_is_ready_on_both_protocols(live: Live) -> None:
    assert (await live.stub.ServerReady(pb.ServerReadyRequest())).ready
    assert (await live.stub.ModelReady(pb.ModelReadyRequest(name="tiny", version="v1"))).ready
    assert [(await live.http.get(path)).status_code for path in READY_PATHS] == [200] * len(READY_PATHS)


async def test_a_full_queue_refuses_at_once_and_health_still_answers(live: Live) -> None:
    live.engine.go.clear()
    waiting = [asyncio.create_task(GOOD.post(live.http)) for _ in range(2)]
    while live.model.admission.under_way < 2:
        await asyncio.sleep(0.005)
    code, name, _ = await refused_by_grpc(live.stub, GOOD.to_message())
    assert (code, name) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "QueueFull")
    answer = await GOOD.post(live.http)
    assert (answer.status_code, answer.json()["kind"]) == (429, "QueueFull")
    assert (await live.http.get("/readyz")).status_code == 200
    live.engine.go.set()
    assert [each.status_code for each in await asyncio.gather(*waiting)] == [200, 200]


async def test_a_message_over_the_limit_is_refused_before_it_is_read(live: Live) -> None:
    large = Case(errors.TooLarge, "", raw=bytes(MAX_MESSAGE_BYTES + 1))
    code, _, details = await refused_by_grpc(live.stub, large.to_message())
    assert (code, "larger" in details.lower()) == (grpc.StatusCode.RESOURCE_EXHAUSTED, True)
    answer = await large.post(live.http)
    assert (answer.status_code, answer.json()["kind"]) == (413, "TooLarge")


async def test_a_request_that_is_no_request_is_invalid_input(live: Live) -> None:
    message = GOOD.to_message()
    message.raw_input_contents.append(b"")
    code, name, _ = await refused_by_grpc(live.stub, message)
    assert (code, name) == (grpc.StatusCode.INVALID_ARGUMENT, "InvalidInput")
    answer = await live.http.post("/v2/models/tiny/infer", content=b"{")
    assert (answer.status_code, answer.json()["kind"]) == (400, "InvalidInput")


async def test_a_fault_of_the_engine_is_internal_and_keeps_its_text(
    live: Live, caplog: pytest.LogCaptureFixture
) -> None:
    live.engine.fault = RuntimeError("secret of the implementation")
    code, _, details = await refused_by_grpc(live.stub, GOOD.to_message())
    answer = await GOOD.post(live.http)
    assert (code, answer.status_code, answer.json()["kind"]) == (grpc.StatusCode.INTERNAL, 500, "Internal")
    assert "secret" not in details + answer.text
    for text in (details, answer.json()["error"]):
        assert text.split()[-4] in caplog.text


async def test_scores_that_are_not_finite_are_never_sent(live: Live, caplog: pytest.LogCaptureFixture) -> None:
    live.engine.score = np.nan
    code, name, _ = await refused_by_grpc(live.stub, GOOD.to_message())
    answer = await GOOD.post(live.http)
    assert (code, name) == (grpc.StatusCode.INTERNAL, "Internal")
    assert (answer.status_code, answer.json()["kind"]) == (500, "Internal")
    assert "computed scores that are not finite" in caplog.text


async def test_a_message_that_repeats_what_was_sent_is_cut(live: Live) -> None:
    case = replace(GOOD, name="ü" * 5000)
    code, name, details = await refused_by_grpc(live.stub, case.to_message())
    assert (code, name, len(details) < 2000) == (grpc.StatusCode.INVALID_ARGUMENT, "UnknownTensor", True)
    assert (await case.post(live.http)).json()["error"] == details


async def test_both_protocols_and_all_forms_of_a_tensor_give_the_same_scores(live: Live) -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32)
    raw = Case(errors.StrataError, "", shape=values.shape, raw=values.tobytes())
    typed = pb.ModelInferRequest(model_name="tiny")
    typed.inputs.add(name="image", datatype="FP32", shape=values.shape).contents.fp32_contents.extend(values.ravel())
    tensor = {"name": "image", "datatype": "FP32", "shape": values.shape, "data": values.tolist()}
    posted = await live.http.post("/v2/models/tiny/infer", json={"inputs": [tensor]})
    raws = [(await live.stub.ModelInfer(each)).raw_output_contents[0] for each in (raw.to_message(), typed)]
    data = [each.json()["outputs"][0]["data"] for each in (await raw.post(live.http), posted)]
    scores = [*(np.frombuffer(each, "<f4") for each in raws), *(np.array(each, np.float32) for each in data)]
    for each in scores:
        np.testing.assert_array_equal(each, values.mean((2, 3))[:, :2].ravel())


async def test_a_picture_is_the_tensor_that_preprocessing_makes_of_it(live: Live) -> None:
    data = picture()
    sent = Case(errors.StrataError, "", **of_pictures(data))  # type: ignore[arg-type]
    answer = await live.stub.ModelInfer(sent.to_message())
    expected = preprocess(decode(data), SPEC).numpy().mean((1, 2))[:2]
    np.testing.assert_array_equal(np.frombuffer(answer.raw_output_contents[0], "<f4"), expected)


async def test_metadata_is_the_same_on_both_protocols(live: Live) -> None:
    by_grpc = await live.stub.ModelMetadata(pb.ModelMetadataRequest(name="tiny"))
    by_http = (await live.http.get("/v2/models/tiny/versions/v1")).json()
    assert by_http["versions"] == list(by_grpc.versions) == ["v1"]
    assert [(each["name"], each["datatype"], each["shape"]) for each in by_http["inputs"] + by_http["outputs"]] == [
        (each.name, each.datatype, list(each.shape)) for each in [*by_grpc.inputs, *by_grpc.outputs]
    ]
    server = await live.stub.ServerMetadata(pb.ServerMetadataRequest())
    assert (await live.http.get("/v2")).json() == {
        "name": server.name,
        "version": server.version,
        "extensions": list(server.extensions),
    }


async def test_metrics_count_what_was_answered_and_refused(live: Live) -> None:
    await GOOD.post(live.http)
    await CASES[0].post(live.http)
    page = (await live.http.get("/metrics")).text
    assert 'strata_model_requests_total{model="tiny",outcome="answered"} 1.0' in page
    assert 'strata_model_requests_total{model="tiny",outcome="failed"} 1.0' in page


async def test_a_deadline_holds_on_both_protocols_and_what_it_leaves_is_waste(live: Live) -> None:
    live.engine.go.clear()
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await live.stub.ModelInfer(GOOD.to_message(), timeout=0.3)  # runs
    assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    live.http.headers["Request-Timeout"] = "0.3"
    answer = await GOOD.post(live.http)  # waits
    assert (answer.status_code, answer.json()["kind"]) == (504, "DeadlineExceeded")
    live.engine.go.set()
    await live.stub.ModelInfer(GOOD.to_message())
    assert (live.model.totals.wasted, live.model.totals.answered) == (1, 1)
    live.http.headers["Request-Timeout"] = "-1"
    assert (await GOOD.post(live.http)).status_code == 400
