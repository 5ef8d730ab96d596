"""Files and folders."""

from collections.abc import AsyncIterator
from pathlib import PurePath
from typing import Annotated, Any
from urllib.parse import quote

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from services.console.domain import LONGEST_PATH, UserFile
from services.console.http_bodies import AugmentedBody, FileBody, PathBody, encoded
from services.console.http_callers import Changer, Console, ConsoleParts, Reader
from services.console.runs import PICTURE_BYTES
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb

UPLOAD_PATH = "/api/files"
router = APIRouter(prefix="/api", tags=["files"])
_SHOWN_SIDE = 512
_CONTENT: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


@router.get("/files", summary="All files and folders, by path")
async def files(console: ConsoleParts, caller: Reader) -> list[FileBody]:
    return [FileBody.of(file) for file in await console.files.list(caller.user.id)]


@router.post("/files", status_code=201, summary="Upload a file: its content is the body", openapi_extra=_CONTENT)
async def upload(
    console: ConsoleParts,
    caller: Changer,
    request: Request,
    path: Annotated[str, Query(max_length=LONGEST_PATH, description="folder/name; folders that are missing are made")],
) -> FileBody:
    declared = request.headers.get("content-length", "")
    size_bytes = int(declared) if declared.isdecimal() else None
    return FileBody.of(await console.files.receive(caller.user.id, path, request.stream(), size_bytes))


@router.post("/folders", status_code=201, summary="Make a folder")
async def make_folder(console: ConsoleParts, caller: Changer, body: PathBody) -> FileBody:
    return FileBody.of(await console.files.make_folder(caller.user.id, body.path))


@router.patch("/files/{file}", summary="Rename or move a file, or a folder with all in it")
async def move(console: ConsoleParts, caller: Changer, file: str, body: PathBody) -> FileBody:
    return FileBody.of(await console.files.move(caller.user.id, file, body.path))


@router.delete("/files/{file}", status_code=204, summary="Delete a file, or a folder with all in it")
async def remove(console: ConsoleParts, caller: Changer, file: str) -> None:
    await console.files.remove(caller.user.id, file)


@router.get("/files/{file}/augmented", summary="Five pictures out of one, small enough to look at")
async def look_at_augmented(console: ConsoleParts, caller: Reader, file: str) -> list[AugmentedBody]:
    _, made = await _augmented(console, caller.user.id, file, _SHOWN_SIDE)
    return [AugmentedBody(name=each.name, png=encoded(each.picture)) async for each in made]


@router.post("/files/{file}/augmented", status_code=201, summary="Keep those five pictures as files of a folder")
async def keep_augmented(console: ConsoleParts, caller: Changer, file: str, body: PathBody) -> list[FileBody]:
    found, made = await _augmented(console, caller.user.id, file)
    begin = f"{body.path.strip('/')}/{PurePath(found.path).stem}"
    parts = ((f"{begin}-{each.name}.png", each.picture) async for each in made)
    return [FileBody.of(kept) for kept in await console.files.receive_all(caller.user.id, parts)]


async def _augmented(
    console: Console, user: str, file: str, most_side: int = 0
) -> tuple[UserFile, AsyncIterator[pb.AugmentResponse]]:
    found, data = await console.files.read(user, file, PICTURE_BYTES)
    asked = pb.AugmentRequest(picture=data, picture_name=found.path, most_side=most_side)
    return found, console.workbench.stream(user, "Augment", asked)


@router.get("/files/{file}/content", summary="Download a file", response_class=Response)
async def content(console: ConsoleParts, caller: Reader, file: str) -> StreamingResponse:
    found, pieces = await console.files.content(caller.user.id, file)
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(found.path.rpartition('/')[2], safe='')}",
        "Content-Length": str(found.size_bytes),
    }
    return StreamingResponse(pieces, media_type="application/octet-stream", headers=headers)
