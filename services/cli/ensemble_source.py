"""Who answers `strata ensemble`: a service at an address, or models started for this one call."""

import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self, TypeVar

import httpx
from pydantic import TypeAdapter, ValidationError

from services.cli.shipped import ensemble_file
from services.edge import errors
from services.edge.errors import DeadlineExceeded, InvalidInput, NotAPicture, StrataError, TooLarge, Unavailable
from services.edge.http_client import client_options, reason_of
from services.edge.progress import Progress
from services.edge.stop import interruptible
from services.ensemble.domain import EnsembleMode, PredictRequest
from services.ensemble.http_bodies import AnswerBody, EnsembleBody, StartedBody
from services.ensemble.usecases import Predictor
from services.local.running import find_running, state_folder
from services.zoo.picture_files import read_picture_file

_PATIENCE_S = 600.0
_IDLE_S = 3600.0

ABOUT_ONE_PICTURE = (InvalidInput, TooLarge, DeadlineExceeded)
"""After these the next picture may well be answered."""

Body = TypeVar("Body")


class Source(Protocol):
    """Something that answers pictures; raises as `Predictor.predict`, and Unavailable where nothing answers."""

    async def ensembles(self) -> list[EnsembleBody]: ...

    async def predict(
        self, ensemble: str, picture: Path, mode: EnsembleMode | None, deadline_ms: int | None
    ) -> AnswerBody: ...


class Remote:
    """A front door at a URL."""

    def __init__(self, endpoint: str):
        self._endpoint = endpoint
        try:
            url = httpx.URL(endpoint)
            if url.scheme not in ("http", "https") or not url.host:
                raise ValueError("expected http://HOST:PORT or https://HOST:PORT")
            self._client = httpx.AsyncClient(timeout=_PATIENCE_S, **client_options(endpoint))
        except (httpx.InvalidURL, ValueError) as error:
            raise InvalidInput(f"endpoint '{endpoint}': {error}") from error

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.aclose()

    async def ensembles(self) -> list[EnsembleBody]:
        """Ask what is served."""
        return self._read(TypeAdapter(list[EnsembleBody]), await self._ask("GET", "/v1/ensembles"))

    async def predict(
        self, ensemble: str, picture: Path, mode: EnsembleMode | None, deadline_ms: int | None
    ) -> AnswerBody:
        """Send one picture as the body."""
        given = {"mode": mode, "deadline_ms": deadline_ms}
        parameters = {name: str(value) for name, value in given.items() if value is not None}
        path = f"/v1/ensembles/{ensemble}:predict"
        with naming(picture):
            answer = await self._ask("POST", path, params=parameters, content=_read_picture(picture))
        return self._read(TypeAdapter(AnswerBody), answer)

    async def wake(self, ensemble: str, timeout_s: float) -> list[StartedBody]:
        """Have its members start."""
        headers = {"Request-Timeout": f"{timeout_s:g}"}
        answer = await self._ask("POST", f"/v1/ensembles/{ensemble}:wake", headers=headers)
        return self._read(TypeAdapter(list[StartedBody]), answer)

    async def _ask(
        self,
        method: str,
        path: str,
        params: dict[str, str] | None = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> httpx.Response:
        try:
            answer = await self._client.request(method, path, params=params, content=content, headers=headers)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unavailable(f"{self._endpoint} does not answer: {reason_of(error)}") from error
        if answer.is_error:
            raise _error_of(answer, self._endpoint)
        return answer

    def _read(self, kind: "TypeAdapter[Body]", answer: httpx.Response) -> Body:
        try:
            return kind.validate_json(answer.content)
        except ValidationError as error:
            raise Unavailable(
                f"{self._endpoint} is not a front door of ours: it answers {answer.text[:60]!r}; "
                "see `strata serve status`"
            ) from error


class Embedded:
    """A predictor in this process."""

    def __init__(self, predictor: Predictor):
        self._predictor = predictor

    async def ensembles(self) -> list[EnsembleBody]:
        """List what was loaded."""
        return [EnsembleBody.of(description) for description in self._predictor.describe()]

    async def predict(
        self, ensemble: str, picture: Path, mode: EnsembleMode | None, deadline_ms: int | None
    ) -> AnswerBody:
        """Ask the predictor."""
        deadline_s = deadline_ms / 1e3 if deadline_ms else None
        with naming(picture):
            asked = PredictRequest(ensemble, (_read_picture(picture),), mode, deadline_s)
            return AnswerBody.of(await self._predictor.predict(asked))


def _read_picture(picture: Path) -> bytes:
    data = read_picture_file(picture)
    if not data:
        raise NotAPicture("the file is empty")
    return data


@contextmanager
def naming(picture: Path) -> Iterator[None]:
    """Name the file in an error that is about a picture, and say which one could not be read."""
    try:
        yield
    except ABOUT_ONE_PICTURE as error:
        raise type(error)(f"{picture}: {error}") from error
    except OSError as error:
        raise InvalidInput(f"{picture}: {error.strerror or error}") from error


@asynccontextmanager
async def open_source(endpoint: str, ensemble: str, progress: Progress) -> AsyncIterator[tuple[Source, str]]:
    """Choose who answers; yields it and the ensemble's name, which is empty where any will do.

    With an endpoint, what is there. Else, if `ensemble` is a file, its models are started for this call. Else the
    service that `strata serve` left running; and if there is none, the shipped example is started for this call.

    Raises:
        InvalidDeclaration: nothing is running and there is no such file.
    """
    endpoint = endpoint or running_endpoint(ensemble)
    if endpoint:
        async with Remote(endpoint) as source:
            yield source, ensemble
    else:
        with interruptible():
            # Imported here, which takes seconds: asking a service that runs does not need torch.
            from services.cli.local_service import local_ensembles

        files = [ensemble_file(ensemble)]
        async with local_ensembles(files, state_folder(os.environ), _IDLE_S, progress) as local:
            await local.wake()
            yield Embedded(local.predictor), next(iter(local.served))


def running_endpoint(ensemble: str) -> str:
    """Return the URL of the service that `strata serve` left running; empty where none runs, or a file is meant."""
    running = find_running(state_folder(os.environ))
    return f"http://{running.http_address}" if running and not ensemble.endswith((".yaml", ".yml")) else ""


def _error_of(answer: httpx.Response, where: str) -> StrataError:
    """Turn an error's body back into the error it was."""
    try:
        body = answer.json()
        kind, message = getattr(errors, body["kind"], None), str(body["error"])
    except (ValueError, KeyError, TypeError):
        return Unavailable(f"{where} answered {answer.status_code}: {answer.text[:200]}")
    if isinstance(kind, type) and issubclass(kind, StrataError):
        return kind(message)
    return errors.Internal(message)
