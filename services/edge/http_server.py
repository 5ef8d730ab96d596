"""An HTTP server as every service of ours runs it: limits on what callers may take, drain.

Without FastAPI, whose import a cold start would pay for; `http_app` adds it where an OpenAPI page is wanted.
"""

import asyncio
from contextlib import AbstractContextManager, nullcontext

import uvicorn
from starlette.types import ASGIApp

from services.edge.address import listen
from services.edge.http_connections import connection_limit, http_protocol, log_accept_errors_seldom
from services.edge.http_hangup import EndWithCaller
from services.edge.tracing import is_on

_BACKLOG = 128
_LAST_WORDS_S = 5.0
"""From the end of a drain's grace to that of the server: answers that say so are sent."""


class HttpServer:
    """A running application; `port` is the one it got."""

    def __init__(
        self, server: uvicorn.Server, task: "asyncio.Task[None]", port: int, app: EndWithCaller, grace_s: float
    ):
        self._server = server
        self._task = task
        self._app = app
        self._grace_s = grace_s
        self.port = port

    async def drain(self) -> None:
        """Take no new requests, give the running ones their grace to end, and tell the others that it is over."""
        self._server.should_exit = True
        await asyncio.wait([self._task], timeout=self._grace_s)
        self._app.give_up()
        await self._task


async def start_http(app: ASGIApp, host: str, port: int, grace_s: float = 30.0) -> HttpServer:
    """Serve `app` in the running loop; port 0 takes any free one.

    Raises:
        OSError: the address is taken or not ours; the message names it.
    """
    listener = listen(host, port)
    log_accept_errors_seldom(asyncio.get_running_loop())
    watched = EndWithCaller(app)
    config = uvicorn.Config(
        _traced(watched),
        http=http_protocol(connection_limit()),
        backlog=_BACKLOG,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=int(grace_s + _LAST_WORDS_S),
        lifespan="off",
    )
    server = _Embedded(config)
    task = asyncio.create_task(server.serve(sockets=[listener]))
    while not server.started and not task.done():
        await asyncio.sleep(0.005)
    return HttpServer(server, task, listener.getsockname()[1], watched, grace_s)


def _traced(app: ASGIApp) -> ASGIApp:
    if not is_on():
        return app
    from services.edge.http_tracing import TracedHttp

    return TracedHttp(app)


class _Embedded(uvicorn.Server):
    """uvicorn without signal handlers of its own: the process has one place for those, `services.edge.stop`."""

    def capture_signals(self) -> AbstractContextManager[None]:  # type: ignore[override]
        return nullcontext()
