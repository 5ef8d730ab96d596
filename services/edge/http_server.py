"""An HTTP server as every service of ours runs it: errors as status, a limit on the body, drain.

Without FastAPI, whose import a cold start would pay for; `http_app` adds it where an OpenAPI page is wanted.
"""

import asyncio
import logging
from contextlib import AbstractContextManager, ExitStack, nullcontext

import uvicorn
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, ExceptionHandler, Message, Receive, Scope, Send

from services.edge.address import listen
from services.edge.admission import Admission
from services.edge.errors import QueueFull, StrataError, TooLarge
from services.edge.status import status_of

_log = logging.getLogger(__name__)


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Answer an error in the one shape all have: the class for programs, the message for people."""
    status = status_of(error)
    if status.incident:
        _log.error("incident %s at %s", status.incident, request.url.path, exc_info=error)
    return JSONResponse({"error": status.error, "message": status.message}, status.http_code)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    name = {404: "NotFound", 405: "MethodNotAllowed", 413: "TooLarge"}.get(error.status_code, "InvalidInput")
    body = {"error": name, "message": f"{error.detail}: {request.method} {request.url.path}"}
    return JSONResponse(body, error.status_code, headers=error.headers)


ERROR_HANDLERS: dict[int | type[Exception], ExceptionHandler] = {
    StrataError: answer_error,
    HTTPException: _answer_http,
    Exception: answer_error,
}


class BodyLimit:
    """Bound what bodies take of the memory.

    A body over the limit is refused by its declared length, or, without one, as soon as it has passed the limit. A
    request with a body is refused before any of it is read while `max_bodies` others are under way.
    """

    def __init__(self, app: ASGIApp, max_body_bytes: int, max_bodies: int):
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._admission = Admission(max_bodies, "requests with a body")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"]) if scope["type"] == "http" else {}
        declared = headers.get(b"content-length", b"0")
        if declared == b"0" and b"transfer-encoding" not in headers:
            await self._app(scope, receive, send)
        elif declared.isdigit() and (len(declared) > 18 or int(declared) > self._max_body_bytes):
            await self._refuse(self._too_large(), scope, receive, send)
        else:
            await self._admitted(scope, receive, send)

    async def _admitted(self, scope: Scope, receive: Receive, send: Send) -> None:
        with ExitStack() as admitted:
            try:
                admitted.enter_context(self._admission.admit())
            except QueueFull as full:
                await self._refuse(full, scope, receive, send)
                return
            await self._counted(scope, receive, send)

    async def _counted(self, scope: Scope, receive: Receive, send: Send) -> None:
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
            await self._refuse(self._too_large(), scope, receive, send)

    def _too_large(self) -> TooLarge:
        return TooLarge(f"the body is over the limit of {self._max_body_bytes} bytes; send fewer pictures at a time")

    async def _refuse(self, error: StrataError, scope: Scope, receive: Receive, send: Send) -> None:
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


async def start_http(app: ASGIApp, host: str, port: int, grace_s: int = 30) -> HttpServer:
    """Serve `app` in the running loop; port 0 takes any free one.

    Raises:
        OSError: the address is taken or not ours; the message names it.
    """
    listener = listen(host, port)
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
