"""The model service as a process: the ready line, ports, SIGTERM, process 1, faults at start, KServe's client."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import httpx
import numpy as np
import onnx
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase
from onnx import TensorProto, helper, numpy_helper

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.contracts.inference.v2 import open_inference_pb2_grpc as pb_grpc
from services.edge.http_client import client_options
from services.zoo.manifest import InputSpec, Manifest

if TYPE_CHECKING:
    Stub: TypeAlias = pb_grpc.GRPCInferenceServiceAsyncStub

SPEC = InputSpec((8, 8), 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")
WEIGHT = np.arange(12, dtype=np.float32).reshape(3, 4)
START_TIMEOUT_S = 60


def compiled(folder: Path, runtime: str, delay_ms: float = 0) -> Path:
    """A model that is the mean of each channel times WEIGHT, or one that sleeps."""
    folder.mkdir()
    shape = (-1, 3, 8, 8)
    manifest = Manifest("tiny", "v1", runtime, "image", shape, "scores", (-1, 4), (), SPEC, {"delay_ms": delay_ms})
    manifest.write(folder)
    nodes = [
        helper.make_node("ReduceMean", ["image", "axes"], ["means"], keepdims=0),
        helper.make_node("MatMul", ["means", "weight"], ["scores"]),
    ]
    graph = helper.make_graph(
        nodes,
        "tiny",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 4])],
        [numpy_helper.from_array(WEIGHT, "weight"), numpy_helper.from_array(np.array([2, 3]), "axes")],
    )
    program = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.save(program, folder / "model.onnx")
    return folder


class Service:
    """A running process and the ports it reported."""

    def __init__(self, process: asyncio.subprocess.Process, said: Mapping[str, Any]):
        self.process = process
        self.grpc_port = said["grpc_port"]
        self.http_port = said["http_port"]

    async def stop(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await asyncio.wait_for(self.process.wait(), 20)


def environment(**settings: str) -> dict[str, str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith("MODEL_") and key != "PORT"}
    return {**clean, **settings}


@asynccontextmanager
async def serving(*prefix: str, **settings: str) -> AsyncIterator[Service]:
    process = await asyncio.create_subprocess_exec(
        *prefix,
        *(sys.executable, "-m", "services.model"),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(**settings),
    )
    assert process.stdout
    try:
        line = await asyncio.wait_for(process.stdout.readline(), START_TIMEOUT_S)
        yield Service(process, json.loads(line))
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@asynccontextmanager
async def stub_of(service: Service) -> AsyncIterator["Stub"]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel:
        yield pb_grpc.GRPCInferenceServiceStub(channel)


def request(values: np.ndarray) -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="FP32", shape=values.shape)
    return pb.ModelInferRequest(model_name="tiny", inputs=[tensor], raw_input_contents=[values.tobytes()])


ZEROS = request(np.zeros((1, 3, 8, 8), np.float32))


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("models") / "tiny", "onnxruntime")


@pytest.fixture(scope="module")
def sleeping(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compiled(tmp_path_factory.mktemp("models") / "sleeping", "sleep", delay_ms=2000)


async def test_the_ready_line_tells_both_ports_health_and_reflection_answer(tiny: Path) -> None:
    async with (
        serving(MODEL_COMPILED=str(tiny)) as service,
        grpc.aio.insecure_channel(f"127.0.0.1:{service.grpc_port}") as channel,
        httpx.AsyncClient(**client_options(f"http://127.0.0.1:{service.http_port}")) as http,
    ):
        health: Any = health_pb2_grpc.HealthStub(channel)
        for name in ("", "inference.GRPCInferenceService"):
            state = await health.Check(health_pb2.HealthCheckRequest(service=name))
            assert state.status == health_pb2.HealthCheckResponse.SERVING
        assert (await http.get("/readyz")).status_code == 200
        with grpc.insecure_channel(f"127.0.0.1:{service.grpc_port}") as plain:
            listed = await asyncio.to_thread(lambda: ProtoReflectionDescriptorDatabase(plain).get_services())
        assert "inference.GRPCInferenceService" in listed


async def test_only_the_first_request_is_cold_and_the_cost_is_the_processes_own(tiny: Path) -> None:
    async with serving(MODEL_COMPILED=str(tiny), MODEL_PROTOCOL="grpc") as service, stub_of(service) as stub:
        assert service.http_port is None
        first, second = [(await stub.ModelInfer(ZEROS)).parameters for _ in range(2)]
        assert (first["cold"].bool_param, second["cold"].bool_param) == (True, False)
        assert 20e6 < second["resident_bytes"].int64_param < 300e6
        assert second["compute_ms"].double_param > 0


def test_receipts_and_last_words_state_all_that_the_process_spent(tiny: Path) -> None:
    settings = environment(MODEL_COMPILED=str(tiny), MODEL_HTTP_ADDRESS="", MODEL_THREADS="1")
    command = [sys.executable, "-m", "services.model"]
    with subprocess.Popen(command, env=settings, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as process:
        assert process.stdout
        address = f"127.0.0.1:{json.loads(process.stdout.readline())['grpc_port']}"
        with grpc.insecure_channel(address) as channel:
            stub = pb_grpc.GRPCInferenceServiceStub(channel)
            costs = [stub.ModelInfer(ZEROS, timeout=START_TIMEOUT_S).parameters for _ in range(3)]
        process.terminate()
        words = json.loads(process.stdout.read().splitlines()[-1])
        _, status, used = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    stated_s = words["unclaimed_cpu_seconds"] + sum(
        cost[f"{kind}_cpu_seconds"].double_param for cost in costs for kind in ("allocated", "unclaimed")
    )
    assert process.returncode == 0
    assert stated_s == pytest.approx(used.ru_utime + used.ru_stime, abs=0.015)


async def test_sigterm_lets_the_running_request_end_and_the_process_ends_with_0(sleeping: Path) -> None:
    async with serving(MODEL_COMPILED=str(sleeping)) as service, stub_of(service) as stub:
        await stub.ServerLive(pb.ServerLiveRequest())  # so that the channel is connected
        running = asyncio.ensure_future(stub.ModelInfer(ZEROS))
        await asyncio.sleep(0.1)
        await stub.ServerLive(pb.ServerLiveRequest())  # calls of a channel arrive in order: the one before is there
        stopped = asyncio.create_task(service.stop())
        assert (await running).outputs[0].shape == [1, 4]
        assert await stopped == 0


async def test_sigterm_ends_both_protocols_at_once(sleeping: Path) -> None:
    async with serving(MODEL_COMPILED=str(sleeping)) as service, stub_of(service) as stub:
        await stub.ServerLive(pb.ServerLiveRequest())
        url = f"http://127.0.0.1:{service.http_port}"
        async with httpx.AsyncClient(**client_options(url), timeout=20) as http:
            tensor = {"name": "image", "datatype": "FP32", "shape": [1, 3, 8, 8], "data": [0.0] * 192}
            running = asyncio.ensure_future(http.post("/v2/models/tiny/infer", json={"inputs": [tensor]}))
            await asyncio.sleep(0.5)
            stopped = asyncio.create_task(service.stop())
            await asyncio.sleep(0.5)
            with pytest.raises(grpc.aio.AioRpcError):
                await stub.ServerLive(pb.ServerLiveRequest())
            assert (await running).status_code == 200
        assert await stopped == 0


def signals_caught(pid: int) -> int:
    return int(Path(f"/proc/{pid}/status").read_text().split("SigCgt:")[1].split()[0], 16)


@pytest.mark.parametrize("module", ["services.model", "services.ensemble"])
async def test_sigterm_before_the_imports_are_done_ends_the_process_with_0(module: str, tiny: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", module),
        stdout=asyncio.subprocess.PIPE,
        env=environment(MODEL_COMPILED=str(tiny), ENSEMBLE_FILES="/nowhere"),
    )
    while not signals_caught(process.pid) & 1 << signal.SIGTERM - 1:
        await asyncio.sleep(0.001)
    assert "grpc" not in Path(f"/proc/{process.pid}/maps").read_text()
    process.terminate()
    output, _ = await asyncio.wait_for(process.communicate(), START_TIMEOUT_S)
    assert (process.returncode, output) == (0, b"")


def namespaces_allowed() -> bool:
    return subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, check=False).returncode == 0


async def test_as_process_1_it_ends_with_0_on_sigterm(tiny: Path) -> None:
    if not namespaces_allowed():
        pytest.skip("this machine does not allow a process namespace")
    async with serving("unshare", "--pid", "--fork", "--kill-child", MODEL_COMPILED=str(tiny)) as service:
        unshare = service.process.pid
        (first,) = Path(f"/proc/{unshare}/task/{unshare}/children").read_text().split()
        assert Path(f"/proc/{first}/status").read_text().split("NSpid:")[1].split()[:2] == [first, "1"]
        os.kill(int(first), signal.SIGTERM)
        assert await asyncio.wait_for(service.process.wait(), 20) == 0


async def test_the_platforms_one_port_serves_the_protocol_named(tiny: Path, unused_tcp_port: int) -> None:
    settings = {"MODEL_COMPILED": str(tiny), "MODEL_PROTOCOL": "rest", "PORT": str(unused_tcp_port)}
    async with serving(**settings) as service:
        assert (service.grpc_port, service.http_port) == (None, unused_tcp_port)


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-60])


@pytest.mark.parametrize(
    ("spoil", "settings", "message"),
    [
        (lambda folder: truncate(folder / "model.onnx"), {}, "InvalidWeights"),
        (lambda folder: (folder / "model.onnx").unlink(), {}, "InvalidWeights"),
        (lambda folder: truncate(folder / "manifest.json"), {}, "InvalidDeclaration"),
        (lambda folder: (folder / "manifest.json").unlink(), {}, "ArtifactNotFound"),
        (lambda _: None, {"MODEL_GRPC_ADDRESS": "192.0.2.1:1"}, "cannot listen on 192.0.2.1:1"),
        (lambda _: None, {"MODEL_NAME": "large"}, "MODEL_NAME is 'large', but"),
        (lambda _: None, {"MODEL_THREAD": "1"}, "did you mean 'MODEL_THREADS'?"),
    ],
    ids=[
        "weights-cut",
        "weights-gone",
        "manifest-cut",
        "manifest-gone",
        "address",
        "name",
        "setting",
    ],
)
def test_a_fault_at_start_is_named_and_ends_the_process_with_2(
    tmp_path: Path, spoil: Callable[[Path], object], settings: dict[str, str], message: str
) -> None:
    folder = compiled(tmp_path / "tiny", "onnxruntime")
    spoil(folder)
    ended = subprocess.run(
        [sys.executable, "-m", "services.model"],
        env=environment(MODEL_COMPILED=str(folder), MODEL_HTTP_ADDRESS="", **settings),
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT_S,
        check=False,
    )
    assert ended.returncode == 2
    assert ended.stdout == ""
    assert message in json.loads(ended.stderr.splitlines()[-1])["event"]
    assert "Traceback" not in ended.stderr


async def ask_with_kserves_client(grpc_port: int, http_port: int) -> dict[str, Any]:
    client = await asyncio.create_subprocess_exec(
        *(sys.executable, str(Path(__file__).with_name("kserve_client.py")), "tiny", str(grpc_port), str(http_port)),
        stdout=asyncio.subprocess.PIPE,
        env=environment(),
    )
    output, _ = await asyncio.wait_for(client.communicate(), START_TIMEOUT_S)
    found: dict[str, Any] = json.loads(output.splitlines()[-1])
    return found


def hold_to_the_model(found: Mapping[str, Any]) -> None:
    values = np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32)
    for form in ("grpc binary=True", "grpc binary=False", "rest binary=True", "rest binary=False"):
        np.testing.assert_allclose(found[form], values.mean((2, 3)) @ WEIGHT, rtol=1e-5, atol=1e-6)
    assert found["grpc ready"] == found["rest ready"] == [True, True, True]
    assert (found["id"], found["cold"], found["warm"]) == ("7", True, False)


async def test_kserves_own_client_gets_the_same_scores_on_both_protocols_in_both_forms(tiny: Path) -> None:
    async with serving(MODEL_COMPILED=str(tiny)) as service:
        hold_to_the_model(await ask_with_kserves_client(service.grpc_port, service.http_port))


async def listening(port: int) -> None:
    while True:
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return


@asynccontextmanager
async def kserves_server(folder: Path, grpc_port: int, http_port: int, **settings: str) -> AsyncIterator[Service]:
    addresses = {"MODEL_GRPC_ADDRESS": f"0.0.0.0:{grpc_port}", "MODEL_HTTP_ADDRESS": f"0.0.0.0:{http_port}"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.model"),
        stderr=asyncio.subprocess.DEVNULL,
        env=environment(MODEL_SERVER="kserve", MODEL_COMPILED=str(folder), **addresses, **settings),
    )
    try:
        for port in (grpc_port, http_port):
            await asyncio.wait_for(listening(port), START_TIMEOUT_S)
        yield Service(process, {"grpc_port": grpc_port, "http_port": http_port})
    finally:
        if process.returncode is None:
            process.kill()
        await process.wait()


@pytest.mark.slow
async def test_kserves_own_server_gives_the_same_scores_and_ends_on_sigterm(
    tiny: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    async with kserves_server(tiny, unused_tcp_port_factory(), unused_tcp_port_factory()) as service:
        hold_to_the_model(await ask_with_kserves_client(service.grpc_port, service.http_port))
        await service.stop()


def of_shape(*shape: int, name: str = "image", datatype: str = "FP32") -> pb.ModelInferRequest:
    tensor = pb.ModelInferRequest.InferInputTensor(name=name, datatype=datatype, shape=shape)
    raw = np.zeros(shape, np.float64 if datatype == "FP64" else np.float32).tobytes()
    return pb.ModelInferRequest(model_name="tiny", inputs=[tensor], raw_input_contents=[raw])


@pytest.mark.slow
async def test_kserves_own_server_tells_errors_as_ours_does(
    sleeping: Path, unused_tcp_port_factory: Callable[[], int]
) -> None:
    other = request(np.zeros((1, 3, 8, 8), np.float32))
    other.model_name = "large"
    refusals = [
        (of_shape(1, 3, 8, 9), grpc.StatusCode.INVALID_ARGUMENT, 400, "takes [N, 3, 8, 8]"),
        (of_shape(1, 3, 8, 8, name="pixels"), grpc.StatusCode.INVALID_ARGUMENT, 400, "input 'pixels'"),
        (of_shape(1, 3, 8, 8, datatype="FP64"), grpc.StatusCode.INVALID_ARGUMENT, 400, "FP64"),
        (of_shape(0, 3, 8, 8), grpc.StatusCode.INVALID_ARGUMENT, 400, "empty"),
        (request(np.full((1, 3, 8, 8), np.nan, np.float32)), grpc.StatusCode.INVALID_ARGUMENT, 400, "nan"),
        (other, grpc.StatusCode.NOT_FOUND, 404, "large"),
    ]
    ports = unused_tcp_port_factory(), unused_tcp_port_factory()
    async with (
        kserves_server(sleeping, *ports, MODEL_MAX_QUEUE="1") as service,
        stub_of(service) as stub,
        httpx.AsyncClient(**client_options(f"http://127.0.0.1:{service.http_port}")) as http,
    ):

        async def hold(message: pb.ModelInferRequest, code: grpc.StatusCode, status: int, said: str) -> None:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.ModelInfer(message)
            assert (caught.value.code(), said in (caught.value.details() or "")) == (code, True)
            answer = await post(http, message)
            assert (answer.status_code, said in answer.json()["error"]) == (status, True)

        for refusal in refusals:
            await hold(*refusal)
        # Of two at once one is let in, whichever it is; as long as it runs, there is no room for others.
        asked = [asyncio.ensure_future(stub.ModelInfer(ZEROS)) for _ in range(2)]
        (refused,), (running,) = await asyncio.wait(asked, return_when=asyncio.FIRST_COMPLETED)
        answer = await post(http, ZEROS)
        assert (answer.status_code, "1 requests to model" in answer.json()["error"]) == (503, True)
        with pytest.raises(grpc.aio.AioRpcError, match="1 requests to model") as caught:
            await refused
        assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
        assert (await running).outputs[0].shape == [1, 4]


async def post(http: httpx.AsyncClient, message: pb.ModelInferRequest) -> httpx.Response:
    (tensor,), (raw,) = message.inputs, message.raw_input_contents
    given = {"name": tensor.name, "datatype": tensor.datatype, "shape": list(tensor.shape)}
    header = json.dumps({"inputs": [{**given, "parameters": {"binary_data_size": len(raw)}}]}).encode()
    path, length = f"/v2/models/{message.model_name}/infer", str(len(header))
    headers = {"Inference-Header-Content-Length": length, "Content-Type": "application/octet-stream"}
    return await http.post(path, content=header + raw, headers=headers)


async def test_a_spare_process_is_whichever_model_is_asked_for_first(tiny: Path) -> None:
    async with serving(MODEL_SPARE=str(tiny)) as service, stub_of(service) as stub:
        with pytest.raises(grpc.aio.AioRpcError, match="has no model 'other', but tiny"):
            await stub.ModelInfer(pb.ModelInferRequest(model_name="other"))
        answer = await stub.ModelInfer(ZEROS)
        assert answer.parameters["cold"].bool_param
        assert (await stub.ModelReady(pb.ModelReadyRequest(name="tiny"))).ready
        assert await service.stop() == 0
