"""What a browser shows that was led to an address which answers with an error: a page, where programs get JSON."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response

from services.edge.html_page import html_page, paragraph

_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
}
_TO_THE_CONSOLE = '<p><a href="/" style="color: inherit">To the console</a></p>'

Handler = Callable[[Request, Any], Response | Awaitable[Response]]


def for_people_too(handler: Handler) -> Handler:
    """A handler of errors whose answer a browser shows as a page; every other caller gets what it was."""

    async def answer(request: Request, error: Exception) -> Response:
        made = handler(request, error)
        answered = made if isinstance(made, Response) else await made
        if isinstance(answered, JSONResponse) and _is_shown(request):
            page = fault_page(json.loads(bytes(answered.body))["error"])
            kept = {name: value for name, value in answered.headers.items() if name == "retry-after"}
            return HTMLResponse(page, answered.status_code, {**kept, **_HEADERS})
        return answered

    return answer


def fault_page(message: str) -> str:
    """The whole page.

    Args:
        message: for people, as it stands in the JSON.
    """
    return html_page("This cannot be shown", (paragraph(message), _TO_THE_CONSOLE))


def _is_shown(request: Request) -> bool:
    """Whether the answer becomes a page: only then do browsers ask for HTML before all else (HTML standard, fetch)."""
    return request.headers.get("accept", "").startswith("text/html")
