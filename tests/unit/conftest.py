"""Unit tests stay in their process: no network, no waiting, no Ray.

A file whose subject needs one of these says so by a fixture `alone` of its own.
"""

import socket
import sys
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, NoReturn

import pytest

if TYPE_CHECKING:
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

MOMENT_S = 0.05


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to connect, to listen, to sleep longer than a moment, and to import Ray."""
    pause = time.sleep

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a unit test neither connects nor listens: it belongs to tests/contract")

    def doze(seconds: float) -> None:
        assert seconds <= MOMENT_S, f"a unit test does not sleep for {seconds} s: give it a clock"
        pause(seconds)

    # Not the class: the event loop of an async test wakes itself up through a pair of sockets.
    for call in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, call, refuse)
    monkeypatch.setattr(time, "sleep", doze)
    monkeypatch.setitem(sys.modules, "ray", None)


@pytest.fixture
def kept(monkeypatch: pytest.MonkeyPatch) -> "Iterator[InMemorySpanExporter]":
    """What is sent of traces, which are on meanwhile."""
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    from services.edge import tracing

    exporter = InMemorySpanExporter()
    provider = TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracers", [provider.get_tracer("test")])
    yield exporter
    provider.shutdown()
