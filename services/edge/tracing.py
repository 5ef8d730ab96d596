"""Traces of requests, by OpenTelemetry, for a collector that the standard variables OTEL_EXPORTER_OTLP_... name.

Where they name none, nothing of OpenTelemetry is imported, and every function here does nothing. Spans inside a process
belong to the request that it serves, or to the work that it began a trace for; what happens outside is in no trace.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeAlias

from services.edge.errors import InvalidDeclaration

if TYPE_CHECKING:
    from opentelemetry.trace import Span, Tracer

Carrier: TypeAlias = Mapping[str, str]
"""What tells the next process of a trace: W3C's `traceparent`, as metadata or headers have it."""

Attributes: TypeAlias = Mapping[str, str | float | bool]

_ENDPOINTS = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
_PROTOCOLS = ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL")

_tracers: "list[Tracer]" = []
"""Of this process: one where traces are wanted."""


def is_on() -> bool:
    """Tell whether traces are wanted."""
    return bool(_tracers)


def start_tracing(service: str, environment: Mapping[str, str], every_s: float | None = None) -> None:
    """Send spans from now on, where a collector is named; what is not sent yet goes when the process ends.

    Args:
        service: what this process is called unless OTEL_SERVICE_NAME says otherwise.
        every_s: how often they are sent; None is OpenTelemetry's choice, every five seconds.
    Raises:
        InvalidDeclaration: a protocol other than gRPC is asked for.
    """
    if not any(environment.get(name) for name in _ENDPOINTS) or environment.get("OTEL_SDK_DISABLED") == "true":
        return
    for name in _PROTOCOLS:
        if environment.get(name, "grpc") != "grpc":
            raise InvalidDeclaration(
                f"{name} is '{environment[name]}'; traces are sent by grpc alone: name such a port"
            )
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.resources import SERVICE_NAME, Resource
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    named = {} if environment.get("OTEL_SERVICE_NAME") else {SERVICE_NAME: service}
    provider = TracerProvider(resource=Resource.create(named))
    every_ms = None if every_s is None else 1e3 * every_s
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(), schedule_delay_millis=every_ms))
    _tracers[:] = [provider.get_tracer("strata")]


@contextmanager
def serving(name: str, carrier: Carrier) -> "Iterator[Span]":
    """A request that came from another process; its trace goes on, or begins here. Only where traces are wanted."""
    from opentelemetry import propagate
    from opentelemetry.trace import SpanKind

    with _tracers[0].start_as_current_span(name, propagate.extract(carrier), SpanKind.SERVER) as begun:
        yield begun


@contextmanager
def calling(name: str) -> "Iterator[tuple[Span | None, Carrier]]":
    """A call to another process: gives what is to be sent along."""
    if not _in_a_trace():
        yield None, {}
        return
    from opentelemetry import propagate
    from opentelemetry.trace import SpanKind

    with _tracers[0].start_as_current_span(name, kind=SpanKind.CLIENT) as begun:
        carrier: dict[str, str] = {}
        propagate.inject(carrier)
        yield begun, carrier


@contextmanager
def span(name: str, **attributes: str | float | bool) -> Iterator[None]:
    """A part of the request's work; spans that begin in it are below it."""
    if not _in_a_trace():
        yield
        return
    with _tracers[0].start_as_current_span(name, attributes=attributes):
        yield


@contextmanager
def span_across_pauses(name: str, **attributes: str | float | bool) -> Iterator[None]:
    """A part of the request's work in a generator, which may go on in another task; no span is below it."""
    if not _in_a_trace():
        yield
        return
    begun = _tracers[0].start_span(name, attributes=attributes)
    try:
        yield
    except Exception as error:
        begun.record_exception(error)
        raise
    finally:
        begun.end()


def note_span(name: str, took_s: float, **attributes: str | float | bool) -> None:
    """A part of the request's work that has just ended, measured where there was no request to be seen."""
    if _in_a_trace():
        now_ns = time.time_ns()
        begun = _tracers[0].start_span(name, attributes=attributes, start_time=now_ns - round(1e9 * took_s))
        begun.end(now_ns)


def hand_over() -> Carrier:
    """What tells a process of ours of the request's trace, where no gRPC call does; empty where there is none."""
    if not _in_a_trace():
        return {}
    from opentelemetry import propagate

    carrier: dict[str, str] = {}
    propagate.inject(carrier)
    return carrier


@contextmanager
def handed_over(name: str, carrier: Carrier) -> Iterator[None]:
    """Go on with a trace that `hand_over` gave."""
    if not (_tracers and carrier):
        yield
        return
    with serving(name, carrier):
        yield


@contextmanager
def beginning(name: str, carrier: Carrier = MappingProxyType({}), **attributes: str | float | bool) -> Iterator[None]:
    """A piece of work that no request asked for: a trace begins with it, or goes on that `hand_over` told of."""
    if not _tracers:
        yield
        return
    from opentelemetry import propagate
    from opentelemetry.context import Context

    with _tracers[0].start_as_current_span(name, propagate.extract(carrier, Context()), attributes=attributes):
        yield


def _in_a_trace() -> bool:
    if not _tracers:
        return False
    from opentelemetry import trace

    return trace.get_current_span().get_span_context().is_valid
