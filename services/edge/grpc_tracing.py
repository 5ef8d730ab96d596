"""Spans around gRPC calls, ours to others and others' to us; imported where traces are wanted alone."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

import grpc
from opentelemetry.trace import Status, StatusCode

from services.edge.tracing import calling, serving

_Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable[Any]]

_NOT_OURS = "/grpc."
"""Health and reflection: nobody's request."""


class TracedServer(grpc.aio.ServerInterceptor):
    """A span for each unary call that is served, with the class of the error that it ended with."""

    async def intercept_service(
        self, continuation: _Continuation, handler_call_details: grpc.HandlerCallDetails
    ) -> Any:
        handler: Any = await continuation(handler_call_details)
        method = handler_call_details.method
        if handler is None or handler.unary_unary is None or method.startswith(_NOT_OURS):
            return handler

        async def traced(request: Any, context: Any) -> Any:
            metadata = context.invocation_metadata() or ()
            with serving(method[1:], {key: value for key, value in metadata if isinstance(value, str)}):
                return await handler.unary_unary(request, context)

        return handler._replace(unary_unary=traced)


class TracedCalls(grpc.aio.UnaryUnaryClientInterceptor):
    """A span for each unary call of a request's, which tells the server of the trace."""

    async def intercept_unary_unary(
        self, continuation: Callable[..., Any], client_call_details: Any, request: Any
    ) -> Any:
        method = client_call_details.method
        method = method.decode() if isinstance(method, bytes) else method
        if method.startswith(_NOT_OURS):
            return await continuation(client_call_details, request)
        with calling(method[1:]) as (span, carrier):
            metadata = (*(client_call_details.metadata or ()), *carrier.items())
            call = await continuation(client_call_details._replace(metadata=grpc.aio.Metadata(*metadata)), request)
            if span is None:
                return call
            try:
                code = await call.code()
            except asyncio.CancelledError:
                call.cancel()  # whoever gives this up gives up the call
                raise
            if code is not grpc.StatusCode.OK:
                span.set_status(Status(StatusCode.ERROR, code.name))
            return call
