"""An HTTP application as every service of ours runs it: errors as status, health, metrics, a limit on the body."""

import asyncio
import logging
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.edge.errors import InvalidInput, StrataError, TooLarge
from services.edge.status import status_of

_log = logging.getLogger(__name__)


class ErrorBody(BaseModel):
    """The one shape of every error over HTTP."""

    error: str = Field(description="The error's class, for programs", examples=["NotAPicture"])
    message: str = Field(description="What is wrong and what to do next, for people")


def create_app(
    title: str,
    version: str,
    description: str,
    ready: Callable[[], bool],
    max_body_bytes: int,
    registry: CollectorRegistry = REGISTRY,
) -> FastAPI:
    """Build an application with /healthz, /readyz and /metrics; add routes to it.

    Args:
        ready: asked at each /readyz; False answers 503.
        max_body_bytes: a larger body is refused with 413 before it is read to its end.
    """
    app = FastAPI(
        title=title,
        version=version,
        description=description,
        responses={code: {"model": ErrorBody} for code in (400, 404, 413, 503, 504)},
    )
    app.add_middleware(BodyLimit, max_body_bytes=max_body_bytes)
    app.add_exception_handler(StrataError, _answer_error)
    app.add_exception_handler(RequestValidationError, _answer_validation)
    app.add_exception_handler(HTTPException, _answer_http)
    app.add_exception_handler(Exception, _answer_error)

    @app.get("/healthz", tags=["operations"], summary="The process runs")
    async def healthz() -> dict[str, str]:
        return {"status": "ok"}

    @app.get("/readyz", tags=["operations"], summary="Requests are welcome")
    async def readyz(response: Response) -> dict[str, str]:
        response.status_code = 200 if ready() else 503
        return {"status": "ready" if ready() else "not ready"}

    @app.get("/metrics", tags=["operations"], summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return app


async def _answer_error(request: Request, error: Exception) -> JSONResponse:
    status = status_of(error)
    if status.incident:
        _log.error("incident %s at %s", status.incident, request.url.path, exc_info=error)
    return JSONResponse({"error": status.error, "message": status.message}, status.http_code)


async def _answer_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return await _answer_error(request, InvalidInput(faults))


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    name = {404: "NotFound", 405: "MethodNotAllowed", 413: "TooLarge"}.get(error.status_code, "InvalidInput")
    body = {"error": name, "message": f"{error.detail}: {request.method} {request.url.path}"}
    return JSONResponse(body, error.status_code, headers=error.headers)


class BodyLimit:
    """Refuse a body over the limit by its declared length, or, without one, as soon as it has passed the limit."""

    def __init__(self, app: ASGIApp, max_body_bytes: int):
        self._app = app
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        declared = dict(scope["headers"]).get(b"content-length", b"0")
        if declared.isdigit() and int(declared) > self._max_body_bytes:
            await self._refuse(scope, receive, send)
            return
        received = 0
        over = False
        answered = False

        async def counted() -> Message:
            nonlocal received, over
            message = await receive()
            received += len(message.get("body", b""))
            over = received > self._max_body_bytes
            return {"type": "http.disconnect"} if over else message

        async def watched(message: Message) -> None:
            nonlocal answered
            if not over:
                answered = True
                await send(message)

        try:
            await self._app(scope, counted, watched)
        except Exception:
            if not over:
                raise
        if over and not answered:
            await self._refuse(scope, receive, send)

    async def _refuse(self, scope: Scope, receive: Receive, send: Send) -> None:
        error = TooLarge(f"the body is over the limit of {self._max_body_bytes} bytes; send fewer pictures at a time")
        status = status_of(error)
        body = JSONResponse({"error": status.error, "message": status.message}, status.http_code)
        await body(scope, receive, send)


class HttpServer:
    """A running application; `port` is the one it got."""

    def __init__(self, server: uvicorn.Server, task: "asyncio.Task[None]", port: int):
        self._server = server
        self._task = task
        self.port = port

    async def drain(self) -> None:
        """Take no new requests and wait for the running ones, within the server's own graceful limit."""
        self._server.should_exit = True
        await self._task


async def start_http(app: FastAPI, host: str, port: int, grace_s: int = 30) -> HttpServer:
    """Serve `app` in the running loop; port 0 takes any free one.

    Raises:
        OSError: the address is taken or not ours.
    """
    listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    config = uvicorn.Config(app, log_config=None, access_log=False, timeout_graceful_shutdown=grace_s, lifespan="off")
    server = _Embedded(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    return HttpServer(server, task, listener.getsockname()[1])


class _Embedded(uvicorn.Server):
    """uvicorn without signal handlers of its own: the process has one place for those, `services.edge.stop`."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()
