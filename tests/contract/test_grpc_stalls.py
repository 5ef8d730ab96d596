"""A gRPC server against callers that stall: they begin calls, and do not send, or do not read."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge import call_places, grpc_server
from services.edge.grpc_server import GrpcServer, start_grpc
from services.edge.status import ERROR_METADATA_KEY
from tests.contract.ensemble_server import EmptyServicer, serving
from tests.contract.raw_grpc import END_STREAM, RawCaller, message

if TYPE_CHECKING:
    Stub: TypeAlias = pb_grpc.EnsembleServiceAsyncStub

pytestmark = pytest.mark.timeout(60)
PATH = "/strata.ensemble.v1.EnsembleService/Predict"
PLACES = 10
"""Two calls, and the eight that are kept for health checks."""


class Servicer(EmptyServicer):
    """Answers with much of a name, or with less than ten bytes where it is `e`."""

    def __init__(self) -> None:
        self.answered = 0

    async def Predict(self, request: pb.PredictRequest, context: object) -> pb.PredictResponse:
        self.answered += 1
        return pb.PredictResponse(ensemble=request.ensemble * (1 if request.ensemble == "e" else 100_000))


@pytest.fixture
async def servicer() -> Servicer:
    return Servicer()


@pytest.fixture
async def server(servicer: Servicer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[GrpcServer]:
    monkeypatch.setattr(call_places, "STALLED_AFTER_S", 0.2)
    async with serving(servicer, max_message_bytes=1_000_000) as server:
        yield server


@pytest.fixture
async def channel(server: GrpcServer) -> AsyncIterator[grpc.aio.Channel]:
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        yield channel


@pytest.fixture
async def stub(channel: grpc.aio.Channel) -> "Stub":
    return pb_grpc.EnsembleServiceStub(channel)


@pytest.fixture
async def connect(server: GrpcServer) -> AsyncIterator[Callable[..., Any]]:
    callers = []

    async def connect(**options: int) -> RawCaller:
        callers.append(await RawCaller.connect(server.port, **options))
        return callers[-1]

    yield connect
    for caller in callers:
        caller.close()


async def answer_of(stub: "Stub") -> str:
    """Ask as a caller does that tries again when it is told to."""
    async with asyncio.timeout(20):
        while True:
            try:
                return (await stub.Predict(pb.PredictRequest(ensemble="e"))).ensemble
            except grpc.aio.AioRpcError as error:
                if dict(error.trailing_metadata() or ()).get(ERROR_METADATA_KEY) != "QueueFull":
                    raise
                await asyncio.sleep(0.05)


@pytest.mark.parametrize("sent", [b"", message(b"x" * 1000)[:500]], ids=["nothing", "half"])
async def test_a_flood_of_calls_that_do_not_send_their_message_gives_way(
    connect: Callable[..., Any], stub: "Stub", sent: bytes
) -> None:
    caller = await connect()
    streams = [caller.begin(PATH) for _ in range(2 * PLACES)]
    for stream in streams:
        caller.send(stream, sent)
    assert [await answer_of(stub) for _ in range(3)] == ["e"] * 3


async def test_a_stalled_call_that_gives_way_is_told_so(channel: grpc.aio.Channel, stub: "Stub") -> None:
    begin: Any = channel.stream_unary(PATH)
    calls = [begin() for _ in range(PLACES)]
    await asyncio.sleep(0.5)
    assert await answer_of(stub) == "e"
    async with asyncio.timeout(20):
        while not (ended := [call for call in calls if call.done()]):
            await asyncio.sleep(0.01)
    assert len(ended) == 1
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await ended[0]
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert "no whole message came" in (caught.value.details() or "")
    for call in calls:
        call.cancel()


async def test_a_message_that_is_not_here_in_time_ends_its_call_by_name(
    servicer: Servicer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(grpc_server, "GRACE_S", 0.5)
    add = lambda server: pb_grpc.add_EnsembleServiceServicer_to_server(servicer, server)  # noqa: E731
    server = await start_grpc("127.0.0.1:0", [("x", add)], max_message_bytes=1000, max_calls=2)
    async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}") as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await channel.stream_unary(PATH)(timeout=30)
    await server.drain(0)
    assert dict(caught.value.trailing_metadata() or ())[ERROR_METADATA_KEY] == "BodyTooSlow"
    assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT


async def test_answers_that_are_never_read_hold_no_place(
    connect: Callable[..., Any], servicer: Servicer, stub: "Stub"
) -> None:
    caller = await connect(window_bytes=10)
    for _ in range(PLACES):
        sent = message(pb.PredictRequest(ensemble="long").SerializeToString())
        caller.send(caller.begin(PATH), sent, END_STREAM)
    async with asyncio.timeout(20):
        while servicer.answered < PLACES:
            await asyncio.sleep(0.01)
    assert await answer_of(stub) == "e"


async def test_a_message_that_comes_in_pieces_is_answered(connect: Callable[..., Any], servicer: Servicer) -> None:
    caller = await connect()
    stream = caller.begin(PATH)
    sent = message(pb.PredictRequest(ensemble="e").SerializeToString())
    caller.send(stream, sent[:3])
    await asyncio.sleep(0.5)
    caller.send(stream, sent[3:], END_STREAM)
    async with asyncio.timeout(20):
        await caller.ended(stream)
    assert servicer.answered == 1


@pytest.mark.parametrize("sent", [[], [b"\xff\xff"]], ids=["none", "garbage"])
async def test_a_call_without_its_message_is_refused(channel: grpc.aio.Channel, sent: list[bytes]) -> None:
    begin: Any = channel.stream_unary(PATH)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await begin(iter(sent), timeout=20)
    assert dict(caught.value.trailing_metadata() or ())[ERROR_METADATA_KEY] == "InvalidInput"


async def test_streams_go_on_while_places_are_free(channel: grpc.aio.Channel, server: GrpcServer) -> None:
    health: Any = health_pb2_grpc.HealthStub(channel)
    watch = health.Watch(health_pb2.HealthCheckRequest())
    await watch.read()
    make: Any = reflection_pb2_grpc.ServerReflectionStub
    asking = make(channel).ServerReflectionInfo()
    for _ in range(2):
        await asking.write(reflection_pb2.ServerReflectionRequest(list_services=""))
        assert (await asking.read()).list_services_response.service
        await asyncio.sleep(1.5)
    await server.set_ready(True)
    assert (await watch.read()).status == health_pb2.HealthCheckResponse.SERVING
    await asking.done_writing()
    watch.cancel()
