"""An HTTP application as every service of ours runs it: errors as status, health, metrics, a limit on the body."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from fastapi import Depends, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi_offline import FastAPIOffline
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from pydantic import BaseModel, Field

from services.edge.errors import InvalidInput
from services.edge.http_body import BodyLimit
from services.edge.http_errors import ERROR_HANDLERS, answer_error
from services.edge.http_server import HttpServer, start_http
from services.edge.suggestion import did_you_mean

__all__ = ["ErrorBody", "Health", "HttpServer", "create_app", "start_http"]


_OPERATIONS = "operations"


class ErrorBody(BaseModel):
    """The one shape of every error over HTTP."""

    error: str = Field(description="What is wrong and what to do next, for people")
    kind: str = Field(description="The error's class, for programs", examples=["NotAPicture"])


@dataclass(frozen=True)
class Health:
    """What probes learn: `ready` at each /readyz, `alive` at each /healthz; False answers 503."""

    ready: Callable[[], bool]
    alive: Callable[[], bool] = lambda: True


def create_app(
    title: str,
    version: str,
    description: str,
    health: Health,
    max_body_bytes: int,
    max_bodies: int,
    registry: CollectorRegistry = REGISTRY,
    max_bytes_at: Mapping[str, int] | None = None,
) -> FastAPI:
    """Build an application with /healthz, /readyz and /metrics; add routes to it.

    Args:
        max_body_bytes: a larger body is refused with 413 before it is read to its end.
        max_bytes_at: paths whose bodies have a limit of their own.
        max_bodies: requests with a body under way at a time; more are refused with 429 before it is read.
    """
    app = FastAPIOffline(  # its page loads nothing from elsewhere
        redoc_url=None,
        dependencies=[Depends(_refuse_unknown_parameters)],
        title=title,
        version=version,
        description=description,
        # With 4XX FastAPI leaves out a 422 of its own, which nothing here answers.
        responses={code: {"model": ErrorBody} for code in (400, 404, 408, 413, 415, "4XX", 503, 504)},
    )
    app.add_middleware(BodyLimit, max_body_bytes=max_body_bytes, max_bodies=max_bodies, max_bytes_at=max_bytes_at)
    for kind, handler in {**ERROR_HANDLERS, RequestValidationError: _answer_validation}.items():
        app.add_exception_handler(kind, handler)

    @app.get("/healthz", tags=[_OPERATIONS], summary="The process runs, and needs no new start")
    async def healthz(response: Response) -> dict[str, str]:
        alive = health.alive()
        response.status_code = 200 if alive else 503
        return {"status": "ok" if alive else "lost: only a new start helps"}

    @app.get("/readyz", tags=[_OPERATIONS], summary="Requests are welcome")
    async def readyz(response: Response) -> dict[str, str]:
        ready = health.ready()
        response.status_code = 200 if ready else 503
        return {"status": "ready" if ready else "not ready"}

    @app.get("/metrics", tags=[_OPERATIONS], summary="Prometheus metrics", response_class=Response)
    async def metrics() -> Response:
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    _document_errors_as_json(app)
    return app


def _document_errors_as_json(app: FastAPI) -> None:
    """Say that errors are JSON of every path: FastAPI gives them the type of the path's own answer, a stream's too."""
    write = app.openapi

    def openapi() -> dict[str, Any]:
        document = write()
        operations = (operation for path in document["paths"].values() for operation in path.values())
        for code, response in (each for operation in operations for each in operation["responses"].items()):
            if code[0] in "45" and (content := response.get("content")):
                response["content"] = {"application/json": next(iter(content.values()))}
        return document

    app.openapi = openapi  # type: ignore[method-assign]


async def _refuse_unknown_parameters(request: Request) -> None:
    """Refuse a query parameter that a route does not take: it would be ignored, whatever it was meant to do.

    Raises:
        InvalidInput: names it, and the nearest that is taken.
    """
    route = request.scope["route"]
    if _OPERATIONS in route.tags:
        return
    known = [parameter.alias for parameter in route.dependant.query_params]
    for name in request.query_params:
        if name not in known:
            takes = ", ".join(known) or "none"
            raise InvalidInput(f"no query parameter '{name}'{did_you_mean(name, known)} (this path takes {takes})")
    for name in known:
        if len(request.query_params.getlist(name)) > 1:
            raise InvalidInput(f"query parameter '{name}' is given twice; give it once")


async def _answer_validation(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    faults = "; ".join(f"{'.'.join(map(str, fault['loc']))}: {fault['msg']}" for fault in error.errors())
    return await answer_error(request, InvalidInput(faults))
