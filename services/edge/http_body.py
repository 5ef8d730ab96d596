"""What bodies of HTTP requests may take: of the memory, and of time."""

import asyncio
import zlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from functools import partial

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from services.edge.admission import Admission
from services.edge.body_pace import GRACE_S, LEAST_BYTES_PER_S
from services.edge.errors import BodyTooSlow, InvalidInput, StrataError, TooLarge, UnknownEncoding
from services.edge.http_errors import error_response
from services.edge.size_words import size_in_words
from services.edge.status import status_of

FREE_BYTES = 64 * 2**10
"""A body that has sent no more than this does not count yet: a caller who sends one byte and waits keeps no place."""

_UNPACKED_BYTES = 2**20
"""So much is unpacked at a time: gzip makes a thousand bytes of one."""

_MOST_MEMBERS = 10_000
"""Of gzip, one after the other in a body: each takes microseconds of all requests' time, however little it holds."""


def has_body(headers: Mapping[bytes, bytes]) -> bool:
    """Tell by a request's headers whether it comes with a body."""
    return headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers


class BodyLimit:
    """Bound what bodies take.

    A body over the limit is refused by its declared length, or, without one, as soon as it has passed the limit; one
    that is compressed counts as what it becomes. One that comes too slowly is given up. While `max_bodies` are under
    way, one more is refused once it has sent `FREE_BYTES` or is whole.

    Args:
        max_bytes_at: paths whose bodies have a limit of their own.
    """

    def __init__(
        self,
        app: ASGIApp,
        max_body_bytes: int,
        max_bodies: int,
        grace_s: float = GRACE_S,
        *,
        max_bytes_at: Mapping[str, int] | None = None,
    ):
        self._app = app
        self._max_body_bytes = max_body_bytes
        self._max_bytes_at = max_bytes_at or {}
        self._grace_s = grace_s
        self._admission = Admission(max_bodies, "requests with a body")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope.get("headers", ()))  # a start or an end of the server has none
        if scope["type"] != "http" or not has_body(headers):
            await self._app(scope, receive, send)
            return
        declared = headers.get(b"content-length", b"0")
        max_bytes = self._max_bytes_at.get(scope["path"], self._max_body_bytes)
        try:
            if declared.isdigit() and (len(declared) > 18 or int(declared) > max_bytes):
                raise _too_large(max_bytes)
            unpacking = _Unpacking(headers.get(b"content-encoding", b""), max_bytes)
            with ExitStack() as admitted:
                admit = partial(admitted.enter_context, self._admission.admit())
                await self._with_body(scope, _Body(receive, unpacking, self._grace_s, admit), send)
        except StrataError as error:
            # What is left of the body is read and dropped by the server: who still sends would miss the answer.
            await error_response(status_of(error))(scope, receive, send)

    async def _with_body(self, scope: Scope, body: "_Body", send: Send) -> None:
        answered = False

        async def watched(message: Message) -> None:
            nonlocal answered
            if not body.refused:
                answered = True
                await send(message)

        headers = [(name, value) for name, value in scope["headers"] if name != b"content-encoding"]
        try:
            await self._app({**scope, "headers": headers}, body.receive, watched)
        except Exception:
            if not body.refused:
                raise
        if body.refused and not answered:
            raise body.refused


class _Body:
    """A body as it comes, piece by piece.

    Args:
        admit: called once the body counts; raises QueueFull where there is no place for it.
    """

    def __init__(self, receive: Receive, unpacking: "_Unpacking", grace_s: float, admit: Callable[[], None]):
        self._receive = receive
        self._unpacking = unpacking
        self._clock = asyncio.get_running_loop().time
        self._began_s = self._clock()
        self._grace_s = grace_s
        self._admit = admit
        self._admitted = False
        self._received = 0
        self._complete = False
        self.refused: StrataError | None = None

    async def receive(self) -> Message:
        """Give the application the next piece; a body that is refused ends as one whose caller left."""
        if self._complete and not self._unpacking.has_more:
            return await self._receive()
        try:
            packed = b""
            if not self._unpacking.has_more:
                message = await self._next()
                if message["type"] == "http.disconnect":
                    return message
                self._count(message)
                packed = message.get("body", b"")
            body = self._unpacking.unpack(packed, self._complete)
        except StrataError as error:
            self.refused = error
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": body, "more_body": self._unpacking.has_more or not self._complete}

    async def _next(self) -> Message:
        until_s = self._began_s + self._grace_s + self._received / LEAST_BYTES_PER_S
        try:
            async with asyncio.timeout_at(until_s):
                return await self._receive()
        except TimeoutError:
            raise BodyTooSlow(
                f"{self._received} bytes of the body came in {self._clock() - self._began_s:.0f} s; send it faster"
            ) from None

    def _count(self, message: Message) -> None:
        self._received += len(message.get("body", b""))
        self._complete = not message.get("more_body", False)
        if self._received > self._unpacking.max_bytes:
            raise _too_large(self._unpacking.max_bytes)
        if not self._admitted and (self._complete or self._received >= FREE_BYTES):
            self._admit()
            self._admitted = True


class _Unpacking:
    """A body's content encoding, and the limit on what comes out of it."""

    def __init__(self, encoding: bytes, max_bytes: int):
        """Know the encoding. Raises UnknownEncoding."""
        name = encoding.decode("latin-1").strip().lower()
        if name not in ("", "identity", "gzip", "x-gzip"):
            raise UnknownEncoding(f"Content-Encoding '{name}' is not read here; send the body as it is, or in gzip")
        self._gzip = zlib.decompressobj(16 + zlib.MAX_WBITS) if "gzip" in name else None
        self.max_bytes = max_bytes
        self._packed, self._unpacked, self._members = b"", 0, 1
        self.has_more = False

    def unpack(self, piece: bytes, last: bool) -> bytes:
        """Return what a piece becomes, or its beginning: while it `has_more`, the next piece is empty.

        Raises:
            TooLarge, InvalidInput.
        """
        try:
            unpacked = self._decompress(piece) if self._gzip else piece
        except zlib.error as error:
            raise InvalidInput(f"the body is not gzip, as its Content-Encoding says: {error}") from error
        self._unpacked += len(unpacked)
        if self._unpacked > self.max_bytes:
            raise _too_large(self.max_bytes)
        if last and self._gzip and not (self._gzip.eof or self.has_more):
            raise InvalidInput("the body's gzip is cut short")
        return unpacked

    def _decompress(self, piece: bytes) -> bytes:
        assert self._gzip
        self._packed += piece
        unpacked = b""
        while len(unpacked) < _UNPACKED_BYTES:
            if self._gzip.eof:
                if not self._packed:
                    break
                # A file of gzip may have several members, one after the other.
                self._members += 1
                if self._members > _MOST_MEMBERS:
                    raise InvalidInput(f"the body's gzip has over {_MOST_MEMBERS} members; pack it as one")
                self._gzip = zlib.decompressobj(16 + zlib.MAX_WBITS)
            unpacked += self._gzip.decompress(self._packed, _UNPACKED_BYTES - len(unpacked))
            self._packed = self._gzip.unused_data or self._gzip.unconsumed_tail
            if not self._gzip.eof:
                break
        self.has_more = len(unpacked) == _UNPACKED_BYTES
        return unpacked


def _too_large(max_bytes: int) -> TooLarge:
    return TooLarge(
        f"the body is over the limit of {size_in_words(max_bytes)} ({max_bytes} bytes); send less at a time"
    )
