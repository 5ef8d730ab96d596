"""Connections as our HTTP servers take them: not more than they can hold, and none for ever without a request."""

import asyncio
import json
import logging
import resource
import time
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.auto import AutoHTTPProtocol

HEADER_TIMEOUT_S = 10.0
"""From a connection's beginning, or a request's first byte, to the end of its headers."""

MOST_HEADER_BYTES = 64 * 2**10
"""Of a request. The parser h11, which our images have, holds them to as much by itself; httptools has no bound."""

_MOST = 4096
_LOG_EVERY_S = 60.0

_log = logging.getLogger(__name__)


def connection_limit(files: int | None = None) -> int:
    """How many connections may be open: half of the files that this process may have open, at most 4096."""
    soft = files if files is not None else resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return _MOST if soft == resource.RLIM_INFINITY else max(1, min(_MOST, soft // 2))


class Seldom:
    """Log a warning once a minute at most, however often its cause comes again."""

    def __init__(self, clock: Callable[[], float] = time.monotonic):
        self._clock = clock
        self._next_s = float("-inf")
        self._passed_over = 0

    def warn(self, message: str) -> None:
        """Log, or count it for the next line."""
        if self._clock() < self._next_s:
            self._passed_over += 1
            return
        _log.warning("%s%s", message, f" ({self._passed_over} more since)" if self._passed_over else "")
        self._next_s, self._passed_over = self._clock() + _LOG_EVERY_S, 0


def log_accept_errors_seldom(loop: asyncio.AbstractEventLoop) -> None:
    """Keep a lack of files from filling the log: asyncio says it for each connection that waits, time and again."""
    seldom = Seldom()

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if "accept" in str(context.get("message", "")):
            seldom.warn(f"cannot take a connection: {context.get('exception')}; those that are open go on")
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


def _refusal(status: str, kind: str, message: str) -> bytes:
    """An answer to who has no request yet, in the form of all errors."""
    body = json.dumps({"error": message, "kind": kind})
    head = f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: {len(body)}"
    return f"{head}\r\n\r\n{body}".encode()


_FULL = _refusal("503 Service Unavailable", "QueueFull", "as many connections as may be are open; try again soon")
_TOO_LONG = _refusal(
    "431 Request Header Fields Too Large",
    "TooLarge",
    f"the request's headers are over {MOST_HEADER_BYTES} bytes; send fewer",
)


def http_protocol(limit: int, header_timeout_s: float = HEADER_TIMEOUT_S) -> type[asyncio.Protocol]:
    """Make uvicorn's protocol with all limits.

    Args:
        limit: connections open at a time; one more is refused with 503.
    """
    seldom = Seldom()
    counts_headers = hasattr(AutoHTTPProtocol, "on_body")  # it is httptools', which calls what is overridden below

    class Limited(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        _waiting: asyncio.TimerHandle | None = None
        _goes_on = False
        _header_bytes = 0

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limit:
                seldom.warn(f"{limit} connections are open, the most there may be; others are refused")
                transport.write(_FULL)
                transport.close()
            else:
                self._wait()

        def on_message_begin(self) -> None:
            self._goes_on = True
            super().on_message_begin()

        def on_headers_complete(self) -> None:
            self._goes_on = True
            super().on_headers_complete()

        def on_body(self, body: bytes) -> None:
            self._goes_on = True
            super().on_body(body)

        def data_received(self, data: bytes) -> None:
            self._goes_on = False
            super().data_received(data)
            if counts_headers:
                self._count_headers(data)
            if self.cycle is None or self.cycle.response_complete:
                self._wait()
            else:
                self._stop_waiting()

        def _count_headers(self, data: bytes) -> None:
            # Where nothing else came of it, it is part of headers, or of those that may follow a body.
            self._header_bytes = 0 if self._goes_on else self._header_bytes + len(data)
            if self._header_bytes > MOST_HEADER_BYTES:
                if self.cycle is None or self.cycle.response_complete:
                    self.transport.write(_TOO_LONG)
                self.transport.close()

        def connection_lost(self, error: Exception | None) -> None:
            self._stop_waiting()
            super().connection_lost(error)

        def _wait(self) -> None:
            if self._waiting is None:
                self._waiting = self.loop.call_later(header_timeout_s, self._give_up)

        def _stop_waiting(self) -> None:
            if self._waiting is not None:
                self._waiting.cancel()
                self._waiting = None

        def _give_up(self) -> None:
            self._waiting = None
            if (self.cycle is None or self.cycle.response_complete) and not self.transport.is_closing():
                self.transport.close()

    return Limited
