"""A web server in a thread of this process, for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

_LOOKS_EVERY_S = 0.01
"""Whether it shall stop; by itself it looks twice a second, which every test would wait for."""


class QuietHandler(BaseHTTPRequestHandler):
    """Base of what answers; logs nothing."""

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def small_web(handler: type[BaseHTTPRequestHandler]) -> Iterator[ThreadingHTTPServer]:
    """Serve on a free port of this machine for as long as this lasts."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = Thread(target=server.serve_forever, args=(_LOOKS_EVERY_S,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def address_of(server: ThreadingHTTPServer) -> str:
    """Where it is, as a URL."""
    return f"http://127.0.0.1:{server.server_port}"
