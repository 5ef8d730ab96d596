"""A collector of traces, as OpenTelemetry's protocol has it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as otlp
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2_grpc as otlp_grpc


class Collector(otlp_grpc.TraceServiceServicer):
    """Keeps spans as they come: service, name, trace, own and parent's id, attributes."""

    def __init__(self) -> None:
        self.spans: list[tuple[str, Any]] = []

    async def Export(self, request: otlp.ExportTraceServiceRequest, context: Any) -> otlp.ExportTraceServiceResponse:
        for resource in request.resource_spans:
            named = {each.key: each.value.string_value for each in resource.resource.attributes}
            for scope in resource.scope_spans:
                self.spans += [(named["service.name"], span) for span in scope.spans]
        return otlp.ExportTraceServiceResponse()

    def ways(self, trace: str) -> set[tuple[str, ...]]:
        """The way to each span of a trace that has none below it: the caller's id, then names."""
        spans = {span.span_id.hex(): (service, span) for service, span in self.spans if span.trace_id.hex() == trace}
        above = {span.parent_span_id.hex() for _, span in spans.values()}

        def way(own: str) -> tuple[str, ...]:
            if own not in spans:
                return (own,)
            service, span = spans[own]
            return (*way(span.parent_span_id.hex()), f"{service}: {span.name}")

        return {way(own) for own in spans if own not in above}


@asynccontextmanager
async def collecting() -> AsyncIterator[tuple[Collector, str]]:
    """A collector, and the endpoint that it listens at."""
    server = grpc.aio.server()
    collector = Collector()
    otlp_grpc.add_TraceServiceServicer_to_server(collector, server)  # type: ignore[no-untyped-call]
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield collector, f"http://127.0.0.1:{port}"
    await server.stop(0)
