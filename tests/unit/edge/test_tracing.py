"""Traces: off unless a collector is named, and then one tree for each request."""

import subprocess
import sys

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from services.artifacts.store import open_store
from services.edge import tracing
from services.edge.errors import ArtifactNotFound, InvalidDeclaration

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
CARRIER = {"traceparent": f"00-{TRACE}-{CALLER}-01"}


def parents(kept: InMemorySpanExporter) -> dict[str, str | None]:
    """Each span's parent, by names; the caller's own is `CALLER`."""
    spans: tuple[ReadableSpan, ...] = kept.get_finished_spans()
    names = {f"{span.context.span_id:016x}": span.name for span in spans if span.context}
    parent_ids = {span.name: f"{span.parent.span_id:016x}" if span.parent else None for span in spans}
    return {name: parent if parent is None else names.get(parent, parent) for name, parent in parent_ids.items()}


async def test_a_requests_spans_are_below_the_callers(kept: InMemorySpanExporter) -> None:
    store = open_store("memory://traced")
    with tracing.serving("door", CARRIER):
        with tracing.span("member", model="a"), tracing.calling("infer") as (_, carrier):
            tracing.note_span("forward", 0.25, cold=True)
        await store.write("key", b"content")
    assert parents(kept) == {
        "forward": "infer",
        "infer": "member",
        "member": "door",
        "store write": "door",
        "door": CALLER,
    }
    assert carrier["traceparent"].startswith(f"00-{TRACE}-")
    forward = kept.get_finished_spans()[0]
    assert forward.start_time is not None
    assert forward.end_time is not None
    assert forward.end_time - forward.start_time == 250_000_000


async def test_what_belongs_to_no_request_is_in_no_trace(kept: InMemorySpanExporter) -> None:
    await open_store("memory://untraced").write("key", b"content")
    with tracing.span("timer"), tracing.calling("health") as (_, carrier):
        tracing.note_span("pass", 1.0)
    assert (kept.get_finished_spans(), carrier, tracing.hand_over()) == ((), {}, {})


async def test_a_trace_goes_on_in_another_process_and_an_error_is_noted(kept: InMemorySpanExporter) -> None:
    with tracing.serving("door", CARRIER):
        carrier = tracing.hand_over()
    with pytest.raises(ArtifactNotFound), tracing.handed_over("graph", carrier):
        await open_store("memory://traced").read("nothing")
    assert parents(kept)["graph"] == "door"
    failed = {span.name: [event.name for event in span.events] for span in kept.get_finished_spans()}
    assert failed == {"door": [], "store read": ["exception"], "graph": ["exception"]}


def test_a_protocol_that_is_not_spoken_is_said_at_the_start() -> None:
    environment = {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4318", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"}
    with pytest.raises(InvalidDeclaration, match="OTEL_EXPORTER_OTLP_PROTOCOL is 'http/protobuf'"):
        tracing.start_tracing("a", environment)


def test_without_a_collector_nothing_of_it_is_imported() -> None:
    code = (
        "import sys, services.model.process, services.edge.http_server; from services.edge.tracing import *; "
        "start_tracing('a', {'OTEL_EXPORTER_OTLP_ENDPOINT': ''}); note_span('x', 1.0); "
        "sys.exit(any(name.startswith('opentelemetry') for name in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
