"""OIP over HTTP, with health and metrics beside it."""

from collections.abc import Awaitable, Callable
from dataclasses import asdict

from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from services.edge.deadline import REQUEST_TIMEOUT, Deadline, read_request_timeout, within
from services.edge.http_body import BodyLimit
from services.edge.http_errors import ERROR_HANDLERS
from services.model.domain import check_address, describe, describe_server
from services.model.open_inference_json import (
    HEADER_LENGTH,
    body_from_answer,
    metadata_to_json,
    request_from_body,
)
from services.model.usecases import Model


def create_app(model: Model, max_body_bytes: int, max_bodies: int) -> Starlette:
    """Build the application; it takes no decision but the route."""

    async def live(_: Request) -> Response:
        return JSONResponse({"live": True})

    async def ready(_: Request) -> Response:
        return JSONResponse({"ready": model.ready}, 200 if model.ready else 503)

    async def server(_: Request) -> Response:
        return JSONResponse(asdict(describe_server()))

    async def describe_model(request: Request) -> Response:
        check_address(model.manifest, *_address(request))
        return JSONResponse(metadata_to_json(describe(model.manifest)))

    async def model_ready(request: Request) -> Response:
        name, version = _address(request)
        check_address(model.manifest, name, version)
        return JSONResponse({"name": name, "ready": model.ready}, 200 if model.ready else 503)

    async def infer(request: Request) -> Response:
        deadline = Deadline.after(read_request_timeout(request.headers.get(REQUEST_TIMEOUT)))
        body = await within(deadline, request.body(), "the request had not arrived")
        parsed, binary = request_from_body(*_address(request), body, request.headers.get(HEADER_LENGTH))
        answer = await within(
            deadline, model.infer(parsed, deadline), f"model '{model.manifest.name}' had not answered"
        )
        content, header_length = body_from_answer(answer, binary)
        if header_length is None:
            return Response(content, media_type="application/json")
        headers = {HEADER_LENGTH: str(header_length)}
        return Response(content, headers=headers, media_type="application/octet-stream")

    async def metrics(_: Request) -> Response:
        # Imported at the first scrape: a cold start does not pay for it.
        from services.model.metrics import CONTENT_TYPE, exposition

        return Response(exposition(model.manifest.name, model.totals), media_type=CONTENT_TYPE)

    return Starlette(
        routes=[
            Route("/v2", server),
            Route("/v2/health/live", live),
            Route("/v2/health/ready", ready),
            *_model_routes("", describe_model),
            *_model_routes("/ready", model_ready),
            *_model_routes("/infer", infer, "POST"),
            Route("/healthz", live),
            Route("/readyz", ready),
            Route("/metrics", metrics),
        ],
        middleware=[Middleware(BodyLimit, max_body_bytes=max_body_bytes, max_bodies=max_bodies)],
        exception_handlers=ERROR_HANDLERS,
    )


def _address(request: Request) -> tuple[str, str]:
    return request.path_params["name"], request.path_params.get("version", "")


def _model_routes(suffix: str, endpoint: Callable[[Request], Awaitable[Response]], method: str = "GET") -> list[Route]:
    paths = "/v2/models/{name}", "/v2/models/{name}/versions/{version}"
    return [Route(f"{path}{suffix}", endpoint, methods=[method]) for path in paths]
