"""Long work on the session of a run, heard event by event; who stops listening stops it."""

from collections.abc import AsyncIterable, AsyncIterator
from dataclasses import asdict, dataclass
from typing import Annotated, Any, TypeVar

from fastapi import APIRouter, Depends, Query
from fastapi.sse import EventSourceResponse

from quant.diagnosis import diagnose
from quant.errors import QuantError
from services.console.domain import RunMode
from services.console.http_bodies import ReplyBase, body_of
from services.console.http_callers import Changer, Console, ConsoleParts, Reader
from services.console.runs import PICTURE_BYTES
from services.console.work_bodies import (
    CalibratedBody,
    CalibrateEvent,
    CalibrationStart,
    ComparedBody,
    CompareEvent,
    ComparisonStart,
    CrossEvent,
    CrossingBody,
    DiagnosisBody,
    MeasuredBody,
    PictureIds,
    ProgressBody,
    ReportEvent,
    ReportStart,
    WorkEvent,
)
from services.console.workbench_client import MODES
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.edge.errors import StrataError

router = APIRouter(prefix="/api/runs/{run}", tags=["work"])
Event = TypeVar("Event", bound=WorkEvent)


@dataclass(frozen=True)
class OwnSession:
    """A session, and the user whose it is."""

    user: str
    session: str


async def _own_session(console: ConsoleParts, caller: Reader, run: str) -> OwnSession:
    """Found before a stream of events begins: its status has gone by then."""
    return OwnSession(caller.user.id, await console.runs.session(caller.user.id, run))


Own = Annotated[OwnSession, Depends(_own_session)]


@router.get("/cross", summary="Every layer in both precisions on both inputs", response_class=EventSourceResponse)
async def cross(
    console: ConsoleParts,
    own: Own,
    mode: Annotated[RunMode | None, Query(description="The session's own, unless given")] = None,
) -> AsyncIterable[CrossEvent]:
    asked = pb.CrossRequest(session=own.session, mode=MODES[mode] if mode else pb.MODE_UNSPECIFIED)
    rows: list[CrossingBody] = []
    async for each in _told(CrossEvent, "crossing", CrossingBody, console.workbench.stream(own.user, "Cross", asked)):
        if each.crossing:
            rows.append(each.crossing)
        if each.is_last and not each.fault:
            each.diagnosis = DiagnosisBody(**asdict(diagnose(rows)))
        yield each


async def _report_on(
    console: ConsoleParts, caller: Changer, run: str, body: ReportStart
) -> AsyncIterator[pb.ReportRequest]:
    """Whatever can be refused is refused here, before a stream of events begins."""
    user = caller.user.id
    options = pb.ReportRequest.Options(session=await console.runs.session(user, run))
    pictures = await _pictures_or_own(console, user, run, body.pictures)

    async def messages() -> AsyncIterator[pb.ReportRequest]:
        yield pb.ReportRequest(options=options)
        async for picture in pictures:
            yield pb.ReportRequest(picture=picture)

    return messages()


@router.post("/report", summary="What integers cost and save, measured on pictures", response_class=EventSourceResponse)
async def report(
    console: ConsoleParts, caller: Reader, messages: Annotated[AsyncIterator[pb.ReportRequest], Depends(_report_on)]
) -> AsyncIterable[ReportEvent]:
    replies = console.workbench.stream(caller.user.id, "Report", messages)
    async for each in _told(ReportEvent, "measured", MeasuredBody, replies):
        yield each


async def _compare_on(
    console: ConsoleParts, caller: Changer, run: str, body: ComparisonStart
) -> AsyncIterator[pb.CompareSessionsRequest]:
    """As `_report_on`."""
    user = caller.user.id
    session, other = await console.runs.session(user, run), await console.runs.session(user, body.other)
    pictures = await _pictures_or_own(console, user, run, body.pictures)

    async def messages() -> AsyncIterator[pb.CompareSessionsRequest]:
        yield pb.CompareSessionsRequest(options=pb.CompareSessionsRequest.Options(session=session, other=other))
        async for picture in pictures:
            yield pb.CompareSessionsRequest(picture=picture)

    return messages()


@router.post("/comparison", summary="Two variants of a network side by side", response_class=EventSourceResponse)
async def compare(
    console: ConsoleParts,
    caller: Reader,
    messages: Annotated[AsyncIterator[pb.CompareSessionsRequest], Depends(_compare_on)],
) -> AsyncIterable[CompareEvent]:
    replies = console.workbench.stream(caller.user.id, "CompareSessions", messages)
    async for each in _told(CompareEvent, "compared", ComparedBody, replies):
        yield each


async def _calibrate_on(
    console: ConsoleParts, caller: Changer, run: str, body: CalibrationStart
) -> AsyncIterator[pb.CalibrateRequest]:
    """As `_report_on`."""
    user, options = caller.user.id, body.model_dump(exclude={"pictures"})
    session = await console.runs.session(user, run)
    pictures = await _pictures(console, user, body.pictures)

    async def messages() -> AsyncIterator[pb.CalibrateRequest]:
        yield pb.CalibrateRequest(options=pb.CalibrateRequest.Options(session=session, **options))
        async for picture in pictures:
            yield pb.CalibrateRequest(picture=picture)

    return messages()


@router.post(
    "/calibration",
    summary="Choose the integers by pictures; the session begins anew",
    response_class=EventSourceResponse,
)
async def calibrate(
    console: ConsoleParts,
    caller: Reader,
    messages: Annotated[AsyncIterator[pb.CalibrateRequest], Depends(_calibrate_on)],
) -> AsyncIterable[CalibrateEvent]:
    replies = console.workbench.stream(caller.user.id, "Calibrate", messages)
    async for each in _told(CalibrateEvent, "calibrated", CalibratedBody, replies):
        yield each


async def _pictures(console: Console, user: str, files: PictureIds) -> AsyncIterator[pb.Picture]:
    """The pictures, read one by one once all are known to be there."""
    found = await console.files.find_all(user, files, PICTURE_BYTES)

    async def read() -> AsyncIterator[pb.Picture]:
        for each in found:
            _, data = await console.files.read(user, each.id, PICTURE_BYTES)
            yield pb.Picture(data=data, name=each.path)

    return read()


async def _pictures_or_own(console: Console, user: str, run: str, files: PictureIds) -> AsyncIterator[pb.Picture]:
    own = await console.runs.picture(user, run)

    async def only() -> AsyncIterator[pb.Picture]:
        yield pb.Picture(data=own)

    return await _pictures(console, user, files) if files else only()


async def _told(
    kind: type[Event], content: str, body: type[ReplyBase], replies: AsyncIterator[Any]
) -> AsyncIterator[Event]:
    """Events of the workbench's messages; the last says that it is, and why where the work failed.

    Args:
        content: the field of both that has what was found, once it was; `body` is its kind.
    """
    try:
        async for reply in replies:
            if reply.HasField("progress"):
                yield kind(progress=body_of(ProgressBody, reply.progress))
            else:
                yield kind.model_validate({content: body_of(body, getattr(reply, content))})
    except (StrataError, QuantError) as error:
        yield kind(fault=str(error), is_last=True)
    else:
        yield kind(is_last=True)
