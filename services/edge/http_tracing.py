"""Spans around HTTP requests; imported where traces are wanted alone."""

from opentelemetry.trace import Status, StatusCode
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.edge.shown_path import shown_path
from services.edge.tracing import serving

_NOT_OURS = ("/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready")


class TracedHttp:
    """A span for each request but those of probes and scrapes."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] in _NOT_OURS:
            await self._app(scope, receive, send)
            return
        carrier = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        with serving(f"{scope['method']} {shown_path(scope['path'])}", carrier) as span:

            async def watched(message: Message) -> None:
                if message["type"] == "http.response.start":
                    span.set_attribute("http.response.status_code", message["status"])
                    if message["status"] >= 500:
                        span.set_status(Status(StatusCode.ERROR))
                await send(message)

            await self._app(scope, receive, watched)
