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


_FULL = json.dumps({"error": "as many connections as may be are open; try again soon", "kind": "QueueFull"}).encode()
_REFUSAL = (
    b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/json\r\nconnection: close\r\ncontent-length: "
    + str(len(_FULL)).encode()
    + b"\r\n\r\n"
    + _FULL
)


def http_protocol(limit: int, header_timeout_s: float = HEADER_TIMEOUT_S) -> type[asyncio.Protocol]:
    """Make uvicorn's protocol with both limits.

    Args:
        limit: connections open at a time; one more is refused with 503.
    """
    seldom = Seldom()

    class Limited(AutoHTTPProtocol):  # type: ignore[misc, valid-type]
        _waiting: asyncio.TimerHandle | None = None

        def connection_made(self, transport: Any) -> None:
            super().connection_made(transport)
            if len(self.connections) > limit:
                seldom.warn(f"{limit} connections are open, the most there may be; others are refused")
                transport.write(_REFUSAL)
                transport.close()
            else:
                self._wait()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            if self.cycle is None or self.cycle.response_complete:
                self._wait()
            else:
                self._stop_waiting()

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
