"""The web page itself: files that `make web` builds from web/."""

from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

BUNDLE = Path(__file__).with_name("bundle")
_LEAST_GZIP_BYTES = 1000
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' blob: data:; "
    "font-src 'self'; connect-src 'self'; worker-src 'self'; manifest-src 'self'; base-uri 'none'; form-action 'self'; "
    "frame-ancestors 'none'"
)
_HEADERS = [
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"x-frame-options", b"DENY"),
]
_NOT_BUILT = """<!doctype html><html lang="en"><title>Strata</title><h1>The page is not built</h1>
<p>Run <code>make web</code> in the source, and load this page again.
The interface itself is at <a href="/docs">/docs</a>.</p>
"""


def pages(bundle: Path = BUNDLE) -> ASGIApp:
    """An application for every path outside the interface."""
    return GZipMiddleware(_Pages(bundle) if bundle.is_dir() else _not_built, _LEAST_GZIP_BYTES)


class _Pages(StaticFiles):
    """Files, and for the paths that the page itself knows, the page."""

    def __init__(self, bundle: Path):
        super().__init__(directory=bundle, html=True)

    async def get_response(self, path: str, scope: Scope) -> Response:
        if path == "api" or path.startswith("api/"):
            raise HTTPException(404)
        try:
            response = await super().get_response(path, scope)
        except HTTPException as error:
            if error.status_code != 404 or path.startswith("assets/"):
                raise
            response = await super().get_response("index.html", scope)
        # The names of what is in assets/ change with their content.
        kept = "public, max-age=31536000, immutable" if path.startswith("assets/") else "no-cache"
        response.headers.update({"Cache-Control": kept, "Content-Security-Policy": _POLICY})
        return response


async def _not_built(scope: Scope, receive: Receive, send: Send) -> None:
    await HTMLResponse(_NOT_BUILT, 503, {"Content-Security-Policy": _POLICY})(scope, receive, send)


class SafeHeaders:
    """Say with every answer that it is what it says, and belongs in no frame."""

    def __init__(self, app: ASGIApp):
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message["headers"], *_HEADERS]}
            await send(message)

        await self._app(scope, receive, with_headers)
