"""Services are called through an ingress, each by what it speaks; the ingress here is a server of either protocol."""

import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.cluster.domain import Host
from services.cluster.ingress import call_all
from services.edge.errors import InvalidInput
from tests.small_web import QuietHandler, address_of, small_web

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
HOST = "model.demo"
GRPC, REST = {"model": Host(HOST, speaks_grpc=True)}, {"model": Host(HOST, speaks_grpc=False)}


class Healths(health_pb2_grpc.HealthServicer):
    """Answers with one state after the other; an error's code is one, too."""

    def __init__(self, *states: int | grpc.StatusCode):
        self.left = list(states)

    async def Check(
        self, request: health_pb2.HealthCheckRequest, context: "grpc.aio.ServicerContext[object, object]"
    ) -> health_pb2.HealthCheckResponse:
        state = self.left.pop(0)
        if isinstance(state, grpc.StatusCode):
            await context.abort(state, "no pod yet")
        return health_pb2.HealthCheckResponse(status=state)


@asynccontextmanager
async def grpc_ingress(healths: Healths) -> AsyncIterator[str]:
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        await server.stop(None)


@contextmanager
def http_ingress(*statuses: int) -> Iterator[str]:
    """Answers with one status after the other; 400 to who asks for another host, or for another thing than health."""
    left = list(statuses)

    class Ingress(QuietHandler):
        def do_GET(self) -> None:
            asked = (self.headers["host"], self.path)
            self.send_response(left.pop(0) if asked == (HOST, "/readyz") else 400)
            self.send_header("content-length", "0")
            self.end_headers()

    with small_web(Ingress) as server:
        yield address_of(server)


async def test_a_service_of_grpc_is_asked_until_it_says_that_it_serves() -> None:
    healths = Healths(grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAVAILABLE, NOT_SERVING, SERVING)
    async with grpc_ingress(healths) as url:
        called = await call_all(GRPC, url, 20.0)
    assert (called["model"].error, healths.left) == ("", [])
    assert called["model"].took_s >= 0.6  # it rests 0.2 s before it asks again


async def test_a_service_of_rest_is_asked_until_it_says_that_it_is_ready() -> None:
    with http_ingress(404, 502, 503, 504, 200) as url:
        called = await call_all(REST, url, 20.0)
    assert called["model"].error == ""
    assert called["model"].took_s >= 0.8


async def test_what_never_answers_is_named_with_the_last_reason() -> None:
    async with grpc_ingress(Healths(*[grpc.StatusCode.UNAVAILABLE] * 9)) as url:
        assert (await call_all(GRPC, url, 0.5))["model"].error == f"{url}: UNAVAILABLE: no pod yet, after 0.5 s"
    with http_ingress(*[502] * 9) as url:
        assert (await call_all(REST, url, 0.5))["model"].error == f"{url}: the ingress answers 502, after 0.5 s"


@pytest.mark.parametrize("hosts", [GRPC, REST], ids=["grpc", "rest"])
async def test_an_ingress_that_keeps_the_call_is_given_up_with_a_reason(hosts: dict[str, Host]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        called = await call_all(hosts, f"http://127.0.0.1:{silent.getsockname()[1]}", 0.5)
    reason = called["model"].error.removesuffix(", after 0.5 s").partition(": ")[2]
    assert reason in ("DEADLINE_EXCEEDED: Deadline Exceeded", "ReadTimeout")


async def test_a_gateway_has_an_address_of_any_kind() -> None:
    healths = Healths(SERVING)
    server = grpc.aio.server()
    health_pb2_grpc.add_HealthServicer_to_server(healths, server)
    try:
        port = server.add_insecure_port("[::1]:0")
    except RuntimeError:
        pytest.skip("this machine has no IPv6")
    await server.start()
    assert (await call_all(GRPC, f"http://[::1]:{port}", 20.0))["model"].error == ""
    await server.stop(None)


@pytest.mark.parametrize(
    "url",
    ["ftp://x", "127.0.0.1:80", "http://", "http://x:port", "http://[::1"],
    ids=["ftp", "bare", "empty", "port", "bracket"],
)
async def test_a_url_that_names_no_gateway_is_refused(url: str) -> None:
    with pytest.raises(InvalidInput, match="expected http://HOST"):
        await call_all(REST, url, 1.0)
