"""What logs and traces may have of a path."""

import secrets

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from starlette.types import Message, Receive, Scope, Send

from services.edge.http_tracing import TracedHttp
from services.edge.shown_path import shown_path


async def answer(scope: Scope, receive: Receive, send: Send) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": []})


async def no_body() -> Message:
    return {"type": "http.request", "body": b""}


async def unheard(_: Message) -> None: ...


async def test_a_shared_links_secret_is_in_no_trace(kept: InMemorySpanExporter) -> None:
    path = f"/api/shared/{secrets.token_urlsafe(32)}"
    await TracedHttp(answer)({"type": "http", "method": "GET", "path": path, "headers": []}, no_body, unheard)
    assert [span.name for span in kept.get_finished_spans()] == ["GET /api/shared/..."]


@pytest.mark.parametrize(
    "path",
    [
        "/v1/ensembles/pair:predict",
        "/api/runs/28cdc6881f9341cda073b156cf288313/events",
        "/v2/models/a-model-with-a-name-as-long-as-they-are-on-a-cluster/infer",
        "/assets/index-D3kq9XzA.js",
    ],
)
def test_other_paths_are_shown_as_they_are(path: str) -> None:
    assert shown_path(path) == path
