"""The front door over HTTP: pictures in, JSON out, a page that explains itself at /docs."""

from importlib.metadata import version
from typing import Annotated, Any

from fastapi import FastAPI, Header, Path, Query, Request, Response
from prometheus_client import CollectorRegistry
from starlette.responses import RedirectResponse

from services.edge.deadline import Deadline, read_request_timeout, within
from services.edge.http_app import Health, create_app
from services.edge.http_form import is_form, read_form_files
from services.edge.receipts import RECEIPT_METADATA_KEY, summary
from services.ensemble.domain import DEFAULT_TOP_K, MAX_DEADLINE_MS, EnsembleMode, PredictRequest, time_to_start
from services.ensemble.http_bodies import AnswerBody, EnsembleBody, ModelBody, StartedBody, models_of
from services.ensemble.usecases import Predicts, UserOf

_ABOUT = """
Several models look at a picture at once; one rule combines what they say.

Send a picture as the body:

    curl --data-binary @picture.png ADDRESS/v1/ensembles/NAME:predict

or several as a form:

    curl -F pictures=@one.png -F pictures=@two.png ADDRESS/v1/ensembles/NAME:predict

With `deadline_ms`, or a header `Request-Timeout` in seconds, the answer comes from the members that are in by then,
says who is missing, and how right just these members were on labelled pictures. Every answer has a receipt of what it
cost.
"""

_BINARY = {"schema": {"type": "string", "format": "binary"}}
_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "description": "One encoded picture (JPEG, PNG, WebP, BMP, GIF), or a form with one or more parts `pictures`",
        "content": {
            "image/png": _BINARY,
            "image/jpeg": _BINARY,
            "application/octet-stream": _BINARY,
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "properties": {
                        "pictures": {"type": "array", "items": _BINARY["schema"]},
                        "sounds": {
                            "type": "array",
                            "items": _BINARY["schema"],
                            "description": "WAV files, where members of the ensemble take sounds: one for each picture",
                        },
                    },
                }
            },
        },
    }
}


def create_http_app(
    predictor: Predicts,
    health: Health,
    max_body_bytes: int,
    max_bodies: int,
    max_files: int,
    registry: CollectorRegistry,
    user_of: UserOf,
) -> FastAPI:
    """Build the application over whatever predicts; forms of more than `max_files` are refused."""
    app = create_app("Strata ensembles", version("strata"), _ABOUT, health, max_body_bytes, max_bodies, registry)

    @app.get("/", include_in_schema=False)
    async def page() -> RedirectResponse:
        return RedirectResponse("/docs")

    @app.post("/v1/ensembles/{name}:predict", tags=["ensembles"], summary="Classify pictures", openapi_extra=_BODY)
    async def predict(
        request: Request,
        response: Response,
        name: Annotated[str, Path(description="The ensemble", examples=["fashion"])],
        mode: Annotated[EnsembleMode | None, Query(description="As the ensemble declares, unless given")] = None,
        deadline_ms: Annotated[
            int | None, Query(gt=0, le=MAX_DEADLINE_MS, description="The ensemble's own, unless given")
        ] = None,
        top_k: Annotated[int, Query(gt=0, description="Classes to name per picture")] = DEFAULT_TOP_K,
        request_timeout: Annotated[
            str | None, Header(description="How long you wait from now, in seconds; the answer leaves before that")
        ] = None,
        strata_owner: Annotated[
            str | None, Header(description="A signed token that says who you are: receipts are summed by it")
        ] = None,
    ) -> AnswerBody:
        user = user_of(strata_owner or "")
        # From here on: a body that comes slowly uses up its caller's time.
        latest = Deadline.after(read_request_timeout(request_timeout))
        pictures, sounds = await within(latest, _files(request, max_files), "the pictures had not arrived")
        deadline_s = deadline_ms / 1e3 if deadline_ms else None
        asked = PredictRequest(name, pictures, mode, deadline_s, latest.remaining_s, top_k, user, sounds)
        answer = await predictor.predict(asked)
        response.headers[RECEIPT_METADATA_KEY] = summary(answer.receipt)
        return AnswerBody.of(answer)

    @app.post("/v1/ensembles/{name}:wake", tags=["ensembles"], summary="Start every member that does not run")
    async def wake(
        name: Annotated[str, Path(description="The ensemble", examples=["fashion"])],
        request_timeout: Annotated[
            str | None, Header(description="How long you wait from now, in seconds; three minutes, unless given")
        ] = None,
    ) -> list[StartedBody]:
        woken = await predictor.wake(name, time_to_start(read_request_timeout(request_timeout)))
        return [StartedBody.of(model, started) for model, started in woken.items()]

    @app.get("/v1/ensembles", tags=["ensembles"], summary="List the ensembles")
    async def ensembles() -> list[EnsembleBody]:
        return [EnsembleBody.of(description) for description in predictor.describe()]

    @app.get("/v1/models", tags=["ensembles"], summary="List the models they call")
    async def models() -> list[ModelBody]:
        return models_of(list(predictor.describe()))

    return app


async def _files(request: Request, most: int) -> tuple[tuple[bytes, ...], tuple[bytes, ...]]:
    """The pictures and the sounds."""
    if not is_form(request.headers):
        body = await request.body()
        return ((body,) if body else ()), ()
    files = await read_form_files(request, "pictures", "sounds", most=most)
    return files["pictures"], files["sounds"]
