"""The edge against live servers on loopback: errors as status on both protocols, health, drain, the body's limit."""

import asyncio
import io
import json
import logging
import os
import signal
from collections.abc import AsyncIterator
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import httpx
import pytest
from fastapi import Request
from grpc_health.v1 import health_pb2, health_pb2_grpc
from prometheus_client import CollectorRegistry

from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge import errors
from services.edge.grpc_server import GrpcServer, start_grpc
from services.edge.http_app import Health, HttpServer, create_app, start_http
from services.edge.http_client import client_options
from services.edge.logs import configure_logs
from services.edge.status import ERROR_METADATA_KEY, PUSHBACK_METADATA_KEY
from services.edge.stop import stop_event
from tests.contract.ensemble_server import EmptyServicer, serving

if TYPE_CHECKING:
    Stub: TypeAlias = pb_grpc.EnsembleServiceAsyncStub

RAISED: dict[str, Exception] = {
    "missing": errors.EnsembleNotFound("no ensemble 'missing'"),
    "full": errors.QueueFull("as many as may be", 0.25),
    "broken": RuntimeError("secret of the implementation"),
}


class Servicer(EmptyServicer):
    """Raises what it is asked for; `slow` waits until it may `go`, and is counted when it is `reached`."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.reached = 0

    async def Predict(self, request: pb.PredictRequest, context: object) -> pb.PredictResponse:
        if request.ensemble in RAISED:
            raise RAISED[request.ensemble]
        if request.ensemble == "slow":
            self.reached += 1
            await self.go.wait()
        return pb.PredictResponse(ensemble=request.ensemble)


@pytest.fixture
async def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def grpc_server(servicer: Servicer) -> AsyncIterator[GrpcServer]:
    async with serving(servicer, max_message_bytes=1000) as server:
        yield server


@pytest.fixture
async def stub(grpc_server: GrpcServer) -> AsyncIterator["Stub"]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_server.port}") as channel:
        yield pb_grpc.EnsembleServiceStub(channel)


async def test_an_error_arrives_with_its_status_text_and_class(stub: "Stub") -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Predict(pb.PredictRequest(ensemble="missing"))
    assert caught.value.code() == grpc.StatusCode.NOT_FOUND
    assert caught.value.details() == "no ensemble 'missing'"
    assert dict(caught.value.trailing_metadata())[ERROR_METADATA_KEY] == "EnsembleNotFound"


async def test_a_full_queue_says_when_there_will_be_room(stub: "Stub") -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Predict(pb.PredictRequest(ensemble="full"))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED
    assert dict(caught.value.trailing_metadata())[PUSHBACK_METADATA_KEY] == "250"


async def test_a_fault_of_ours_is_internal_and_its_incident_is_in_the_log(
    stub: "Stub", caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Predict(pb.PredictRequest(ensemble="broken"))
    details = caught.value.details() or ""
    assert caught.value.code() == grpc.StatusCode.INTERNAL
    assert "secret" not in details
    assert "secret" in caplog.text
    assert caplog.records[-1].getMessage().removeprefix("incident ") in details


async def test_a_message_over_the_limit_is_refused(stub: "Stub") -> None:
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await stub.Predict(pb.PredictRequest(pictures=[b"x" * 2000]))
    assert caught.value.code() == grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_more_calls_than_may_be_are_refused_and_the_others_are_answered(servicer: Servicer, stub: "Stub") -> None:
    calls = [stub.Predict(pb.PredictRequest(ensemble="slow")) for _ in range(20)]
    while servicer.reached + sum(call.done() for call in calls) < len(calls):
        await asyncio.sleep(0.01)
    servicer.go.set()
    ended = await asyncio.gather(*calls, return_exceptions=True)
    refused = [each for each in ended if isinstance(each, grpc.aio.AioRpcError)]
    assert len(refused) == 10  # 2, and 8 that are kept for health checks, are answered
    assert {each.code() for each in refused} == {grpc.StatusCode.RESOURCE_EXHAUSTED}


async def test_a_caller_may_often_ask_whether_the_server_is_still_there(grpc_server: GrpcServer) -> None:
    pings = [
        ("grpc.keepalive_time_ms", 50),
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
    ]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_server.port}", pings) as channel:
        stub: Any = pb_grpc.EnsembleServiceStub(channel)
        await stub.Predict(pb.PredictRequest())
        await asyncio.sleep(6)  # a ping a second, the least there is; gRPC's default is to part at the fourth
        assert channel.get_state() is grpc.ChannelConnectivity.READY


async def test_health_follows_readiness(grpc_server: GrpcServer) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_server.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        asked = health_pb2.HealthCheckRequest(service="strata.ensemble.v1.EnsembleService")
        assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.NOT_SERVING
        await grpc_server.set_ready(True)
        assert (await health.Check(asked)).status == health_pb2.HealthCheckResponse.SERVING


async def test_a_watch_of_health_streams_each_change(grpc_server: GrpcServer) -> None:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_server.port}") as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        states = [(await watch.read()).status]
        await grpc_server.set_ready(True)
        states.append((await watch.read()).status)
        await grpc_server.set_ready(False)
        states.append((await watch.read()).status)
        watch.cancel()
    kinds = health_pb2.HealthCheckResponse
    assert states == [kinds.NOT_SERVING, kinds.SERVING, kinds.NOT_SERVING]


async def test_a_client_that_checks_health_itself_is_answered(grpc_server: GrpcServer) -> None:
    await grpc_server.set_ready(True)
    service = {"healthCheckConfig": {"serviceName": ""}, "loadBalancingConfig": [{"round_robin": {}}]}
    options = [("grpc.service_config", json.dumps(service))]
    async with grpc.aio.insecure_channel(f"127.0.0.1:{grpc_server.port}", options) as channel:
        stub: Any = pb_grpc.EnsembleServiceStub(channel)
        assert (await stub.Predict(pb.PredictRequest(ensemble="e"), timeout=20)).ensemble == "e"


async def test_what_a_drain_has_no_time_for_is_refused_by_name(
    grpc_server: GrpcServer, servicer: Servicer, stub: "Stub", caplog: pytest.LogCaptureFixture
) -> None:
    call = stub.Predict(pb.PredictRequest(ensemble="slow"))
    while not servicer.reached:
        await asyncio.sleep(0.01)
    await grpc_server.drain(0.2)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert dict(caught.value.trailing_metadata())[ERROR_METADATA_KEY] == "ServiceStopping"
    assert "incident" not in caplog.text


async def test_a_drain_lets_the_running_call_end(grpc_server: GrpcServer, servicer: Servicer, stub: "Stub") -> None:
    call = stub.Predict(pb.PredictRequest(ensemble="slow"))
    while not servicer.reached:
        await asyncio.sleep(0.01)
    drained = asyncio.create_task(grpc_server.drain(30))
    await asyncio.sleep(0.1)
    assert not drained.done()
    servicer.go.set()
    await drained
    assert (await call).ensemble == "slow"


async def test_a_taken_address_is_an_os_error(grpc_server: GrpcServer) -> None:
    with pytest.raises(OSError, match="cannot listen"):
        await start_grpc(f"127.0.0.1:{grpc_server.port}", [], 1000, 2)


@pytest.fixture
def reading() -> list[Request]:
    """The requests whose bodies have begun to be read."""
    return []


@pytest.fixture
async def http(reading: list[Request]) -> AsyncIterator[httpx.AsyncClient]:
    app = create_app(
        "t", "1", "d", Health(lambda: False), max_body_bytes=1000, max_bodies=2, registry=CollectorRegistry()
    )

    @app.post("/raise/{name}")
    async def raise_(name: str) -> None:
        raise RAISED[name]

    @app.post("/length")
    async def length(request: Request) -> int:
        reading.append(request)
        return len(await request.body())

    server: HttpServer = await start_http(app, "127.0.0.1", 0)
    async with httpx.AsyncClient(**client_options(f"http://127.0.0.1:{server.port}")) as client:
        yield client
    await server.drain()


async def test_http_errors_have_one_shape(http: httpx.AsyncClient) -> None:
    missing = await http.post("/raise/missing")
    assert (missing.status_code, missing.json()) == (
        404,
        {"error": "no ensemble 'missing'", "kind": "EnsembleNotFound"},
    )
    nowhere = await http.get("/nowhere")
    assert (nowhere.status_code, nowhere.json()["kind"]) == (404, "NotFound")
    broken = await http.post("/raise/broken")
    assert broken.status_code == 500
    assert "secret" not in broken.text


async def test_readiness_and_liveness_differ(http: httpx.AsyncClient) -> None:
    assert (await http.get("/healthz")).status_code == 200
    assert (await http.get("/readyz")).status_code == 503


async def test_a_body_over_the_limit_is_413_with_and_without_a_declared_length(http: httpx.AsyncClient) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield b"x" * 100

    assert (await http.post("/length", content=b"x" * 1000)).json() == 1000
    for body in (b"x" * 1001, chunks()):
        answer = await http.post("/length", content=body)
        assert (answer.status_code, answer.json()["kind"]) == (413, "TooLarge")


def test_logs_of_both_libraries_are_one_json_object_a_line() -> None:
    import structlog

    stream = io.StringIO()
    before = logging.root.handlers[:]
    try:
        configure_logs("model", stream)
        structlog.get_logger("a").info("ready", port=1)
        logging.getLogger("b").warning("from %s", "stdlib")
    finally:
        logging.root.handlers[:] = before
        structlog.reset_defaults()
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert (first["event"], first["port"], first["service"], first["level"]) == ("ready", 1, "model", "info")
    assert (second["event"], second["service"], second["level"]) == ("from stdlib", "model", "warning")


async def test_sigterm_sets_the_stop_event() -> None:
    stop = stop_event()
    os.kill(os.getpid(), signal.SIGTERM)
    await asyncio.wait_for(stop.wait(), 5)
