"""Models, and runs over pictures."""

from collections.abc import AsyncIterable
from typing import Annotated

from fastapi import APIRouter, Depends, Response
from fastapi.sse import EventSourceResponse

from services.console.domain import Run
from services.console.http_bodies import RunBody, RunsEvent, RunStart
from services.console.http_callers import Changer, ConsoleParts, Reader
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb

router = APIRouter(prefix="/api", tags=["runs"])
_PICTURE_KINDS = {
    b"\x89PNG": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
    b"BM": "image/bmp",
    b"RIFF": "image/webp",
}


async def _own_run(console: ConsoleParts, caller: Reader, run: str) -> Run:
    """Found before a stream of events begins: its status has gone by then."""
    return await console.runs.get(caller.user.id, run)


OwnRun = Annotated[Run, Depends(_own_run)]


@router.get("/models", summary="The models that can be run by name")
async def models(console: ConsoleParts, caller: Reader) -> list[str]:
    return list((await console.workbench.call(caller.user.id, "ListModels", pb.ListModelsRequest())).names)


@router.get("/runs", summary="All runs, the newest first")
async def runs(console: ConsoleParts, caller: Reader) -> list[RunBody]:
    return [RunBody.of(run) for run in await console.runs.list(caller.user.id)]


@router.post("/runs", status_code=201, summary="Run a model over a picture; follow it by its events")
async def start(console: ConsoleParts, caller: Changer, body: RunStart) -> RunBody:
    return RunBody.of(await console.runs.start(caller.user.id, body.request()))


@router.get(
    "/runs/events",
    summary="All runs, and then those that change until all are over",
    response_class=EventSourceResponse,
)
async def all_events(console: ConsoleParts, caller: Reader) -> AsyncIterable[RunsEvent]:
    async for changed in console.runs.follow_all(caller.user.id):
        yield RunsEvent(runs=[RunBody.of(run) for run in changed])


@router.get("/runs/{run}", summary="One run")
async def run(console: ConsoleParts, caller: Reader, run: str) -> RunBody:
    return RunBody.of(await console.runs.get(caller.user.id, run))


@router.delete("/runs/{run}", status_code=204, summary="Remove a run, with its session and its edits")
async def remove(console: ConsoleParts, caller: Changer, run: str) -> None:
    await console.runs.get(caller.user.id, run)
    await console.links.revoke_all(caller.user.id, run)
    await console.runs.remove(caller.user.id, run)


@router.get("/runs/{run}/events", summary="The run at each change until it is over", response_class=EventSourceResponse)
async def events(console: ConsoleParts, run: OwnRun) -> AsyncIterable[RunBody]:
    async for each in console.runs.follow(run.user, run.id):
        yield RunBody.of(each)


@router.get("/runs/{run}/picture", summary="The picture that was looked at", response_class=Response)
async def picture(console: ConsoleParts, caller: Reader, run: str) -> Response:
    content = await console.runs.picture(caller.user.id, run)
    headers = {"Cache-Control": "private, max-age=3600"}
    return Response(content, media_type=picture_kind(content), headers=headers)


def picture_kind(content: bytes) -> str:
    """The media type of a picture, by how it begins."""
    kinds = (kind for begin, kind in _PICTURE_KINDS.items() if content.startswith(begin))
    return next(kinds, "application/octet-stream")
