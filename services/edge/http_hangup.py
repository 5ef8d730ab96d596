"""A request's work ends when its caller hangs up, and when a server that stops has no more time for it."""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.edge.errors import ServiceStopping
from services.edge.http_body import has_body
from services.edge.http_errors import error_response
from services.edge.status import status_of


class EndWithCaller:
    """Cancel work whose caller has gone.

    From a request's last byte on, its connection is watched while the application works, which need not read a request
    that has no body. Errors that were answered go no further: they are in the log already.
    """

    def __init__(self, app: ASGIApp):
        self._app = app
        self._under_way: set[asyncio.Task[None]] = set()
        self._given_up = False

    def give_up(self) -> None:
        """End what still runs: it is answered with `ServiceStopping`."""
        self._given_up = True
        for work in self._under_way:
            work.cancel()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request = _Request(receive, send)
        work = asyncio.ensure_future(self._answer(scope, request))
        request.work = work
        self._under_way.add(work)
        try:
            await work
        except asyncio.CancelledError:
            work.cancel()
            if self._given_up and not request.answering:
                stopping = ServiceStopping("the service stops and has no more time for this; ask again soon")
                await error_response(status_of(stopping))(scope, receive, send)
            elif not request.left:
                raise
        except Exception:
            if not request.answering:
                raise
        finally:
            self._under_way.discard(work)
            request.end()

    async def _answer(self, scope: Scope, request: "_Request") -> None:
        if not has_body(dict(scope["headers"])):
            await request.begin()
        if not request.left:
            await self._app(scope, request.receive, request.send)


class _Request:
    """One request between the server and the application."""

    def __init__(self, receive: Receive, send: Send):
        self._receive = receive
        self._send = send
        self._begun: Message | None = None
        self._watch: asyncio.Task[None] | None = None
        self.work: asyncio.Future[None] | None = None
        self.answering = False
        self.answered = False
        self.left = False

    async def begin(self) -> None:
        """Take the first message, for whenever the application asks for it."""
        self._begun = await self.receive()

    async def receive(self) -> Message:
        if begun := self._begun:
            self._begun = None
            return begun
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.left = not self.answered
        elif not message.get("more_body", False) and self._watch is None:
            self._watch = asyncio.create_task(self._wait_for_hang_up())
        return message

    async def send(self, message: Message) -> None:
        self.answering = True
        self.answered = message["type"] == "http.response.body" and not message.get("more_body", False)
        await self._send(message)

    async def _wait_for_hang_up(self) -> None:
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if not self.answered and self.work is not None:
            self.left = True
            self.work.cancel()

    def end(self) -> None:
        if self._watch:
            self._watch.cancel()
