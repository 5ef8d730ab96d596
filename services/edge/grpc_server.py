"""A gRPC server as every service of ours runs it: health, reflection, errors as status, drain.

Imports nothing heavy: a model's cold start pays for every module named here.
"""

import asyncio
import inspect
import logging
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, NoReturn, TypeAlias

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health_aio

from services.edge.address import listen, split_address
from services.edge.body_pace import GRACE_S, LEAST_BYTES_PER_S
from services.edge.call_places import CallPlaces
from services.edge.errors import ServiceStopping
from services.edge.grpc_stalls import StallsGiveWay
from services.edge.status import ERROR_METADATA_KEY, PUSHBACK_METADATA_KEY, forget_frames, status_of
from services.edge.tracing import is_on

_SPARE_CALLS = 8
_LAST_WORDS_S = 2.0
"""From the end of a drain's grace to that of the server: answers that say so are sent."""

_log = logging.getLogger(__name__)

_Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]
_Context: TypeAlias = "grpc.aio.ServicerContext[Any, Any]"


class ErrorsAsStatus(grpc.aio.ServerInterceptor):
    """Turn an error of ours into its status; the class name travels in the trailing metadata."""

    def __init__(self) -> None:
        self._under_way: set[asyncio.Task[Any]] = set()
        self._given_up = False
        self._handlers: dict[str, Any] = {}

    def give_up(self) -> None:
        """End what still runs: it is answered with `ServiceStopping`."""
        self._given_up = True
        for call in self._under_way:
            call.cancel()

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        # What stands behind this makes the same handler for each call of a method: made once, it costs calls nothing.
        method = handler_call_details.method
        if method in self._handlers:
            return self._handlers[method]
        handler = await continuation(handler_call_details)
        if handler is not None:
            handler = self._handlers[method] = self._guard_handler(handler)
        return handler

    def _guard_handler(self, handler: Any) -> Any:
        arity = "stream" if handler.request_streaming else "unary"
        kind = f"{arity}_{'stream' if handler.response_streaming else 'unary'}"
        behaviour = getattr(handler, kind)
        # A stream is what a generator yields, or what a coroutine writes to the context, as the library's `Watch` does.
        guard = self._guard_stream if inspect.isasyncgenfunction(behaviour) else self._guard
        return handler._replace(**{kind: guard(behaviour)})

    def _guard(self, behaviour: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
        async def guarded(request: Any, context: _Context) -> Any:
            async with self._answering(context):
                return await behaviour(request, context)

        return guarded

    def _guard_stream(self, behaviour: Callable[..., AsyncIterator[Any]]) -> Callable[..., AsyncIterator[Any]]:
        async def guarded(request: Any, context: _Context) -> AsyncIterator[Any]:
            async with self._answering(context):
                async for reply in behaviour(request, context):
                    yield reply

        return guarded

    @asynccontextmanager
    async def _answering(self, context: _Context) -> AsyncIterator[None]:
        call = asyncio.current_task()
        assert call
        self._under_way.add(call)
        try:
            yield
        except grpc.aio.AbortError:
            raise
        except asyncio.CancelledError:
            if not self._given_up:
                raise
            await _abort(context, ServiceStopping("the service stops and has no more time for this; ask again soon"))
        except Exception as error:
            await _abort(context, error)
        finally:
            self._under_way.discard(call)


async def _abort(context: _Context, error: Exception) -> NoReturn:
    status = status_of(error)
    if status.incident:
        _log.error("incident %s", status.incident, exc_info=error)
    forget_frames(error)
    metadata = [(ERROR_METADATA_KEY, status.error)]
    if status.retry_after_s is not None:
        metadata.append((PUSHBACK_METADATA_KEY, str(math.ceil(1e3 * status.retry_after_s))))
    await context.abort(status.grpc_code, status.message, trailing_metadata=tuple(metadata))
    raise AssertionError("abort returned")


class GrpcServer:
    """A running server. It answers health checks with NOT_SERVING until `set_ready(True)`."""

    def __init__(
        self,
        server: grpc.aio.Server,
        errors: ErrorsAsStatus,
        health: health_aio.HealthServicer,
        names: Sequence[str],
        port: int,
    ):
        self._server = server
        self._errors = errors
        self._health = health
        self._names = names
        self.port = port

    async def set_ready(self, ready: bool) -> None:
        """Answer health checks, for the whole server and for each service, with SERVING or NOT_SERVING."""
        state = health_pb2.HealthCheckResponse.SERVING if ready else health_pb2.HealthCheckResponse.NOT_SERVING
        for name in ("", *self._names):
            await self._health.set(name, state)

    async def drain(self, grace_s: float) -> None:
        """Turn readiness off, take no new calls, give the running ones `grace_s` to end, and tell the others."""
        await self._health.enter_graceful_shutdown()
        stopped = asyncio.create_task(self._server.stop(grace_s + _LAST_WORDS_S))
        await asyncio.wait([stopped], timeout=grace_s)
        self._errors.give_up()
        await stopped


async def start_grpc(
    address: str,
    services: Sequence[tuple[str, Callable[[grpc.aio.Server], None]]],
    max_message_bytes: int,
    max_calls: int,
) -> GrpcServer:
    """Start serving on `address` ("127.0.0.1:0" takes any free port).

    Args:
        services: full proto name and what adds its servicer to the server, each.
        max_message_bytes: larger requests are refused with RESOURCE_EXHAUSTED by gRPC itself.
        max_calls: at a time; one more takes the place of one that stalls, or is refused with QueueFull before its
            message is read. A few health checks fit beside.
    Raises:
        OSError: the address is taken or not ours; the message names it.
    """
    errors = ErrorsAsStatus()
    places = CallPlaces(max_calls + _SPARE_CALLS, GRACE_S + max_message_bytes / LEAST_BYTES_PER_S)
    server = grpc.aio.server(
        interceptors=(errors, StallsGiveWay(places), *_tracing()),
        options=[
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
            ("grpc.so_reuseport", 0),
            # Callers may ask as often as they like whether we are still there, during a long call too: by default the
            # third ping in five minutes without data would end the connection.
            ("grpc.http2.max_ping_strikes", 0),
        ],
    )
    health = health_aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    for _, add in services:
        add(server)
    names = [name for name, _ in services]
    _add_reflection([*names, health_pb2.DESCRIPTOR.services_by_name["Health"].full_name], server)
    try:
        port = server.add_insecure_port(address)
    except RuntimeError as error:
        listen(*split_address(address)).close()  # gRPC does not say why: the kernel does
        raise OSError(f"cannot listen on {address}: {error}") from error
    running = GrpcServer(server, errors, health, names, port)
    await running.set_ready(False)
    await server.start()
    return running


def _tracing() -> list[grpc.aio.ServerInterceptor]:
    if not is_on():
        return []
    from services.edge.grpc_tracing import TracedServer

    return [TracedServer()]


def _add_reflection(names: Sequence[str], server: grpc.aio.Server) -> None:
    from grpc_reflection.v1alpha import reflection

    reflection.enable_server_reflection([*names, reflection.SERVICE_NAME], server)
