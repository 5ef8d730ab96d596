"""Errors over HTTP: the status of each, and the one shape that all have."""

import logging
import math

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.types import ExceptionHandler

from services.edge.errors import StrataError
from services.edge.shown_path import shown_path
from services.edge.status import Status, forget_frames, status_of

_log = logging.getLogger(__name__)


def error_response(status: Status) -> JSONResponse:
    """Spell an error: the sentence for people, as the Open Inference Protocol has it, and its class for programs."""
    # HTTP knows whole seconds alone.
    headers = {} if status.retry_after_s is None else {"Retry-After": str(max(1, math.ceil(status.retry_after_s)))}
    return JSONResponse({"error": status.message, "kind": status.error}, status.http_code, headers)


async def answer_error(request: Request, error: Exception) -> JSONResponse:
    """Answer an error; where the fault is ours, the log has it and the caller the incident's number."""
    status = status_of(error)
    if status.incident:
        _log.error("incident %s at %s", status.incident, shown_path(request.url.path), exc_info=error)
    forget_frames(error)
    return error_response(status)


async def _answer_http(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    kind = {404: "NotFound", 405: "MethodNotAllowed", 413: "TooLarge"}.get(error.status_code, "InvalidInput")
    body = {"error": f"{error.detail}: {request.method} {request.url.path}", "kind": kind}
    return JSONResponse(body, error.status_code, headers=error.headers)


async def _answer_a_closed_connection(_: Request, error: Exception) -> Response:
    """The caller hung up while it sent its body: that is not a fault, and no answer reaches anyone."""
    forget_frames(error)
    return Response(status_code=400)


ERROR_HANDLERS: dict[int | type[Exception], ExceptionHandler] = {
    StrataError: answer_error,
    HTTPException: _answer_http,
    ClientDisconnect: _answer_a_closed_connection,
    Exception: answer_error,
}
