"""The session of a run: stepped, looked into, edited."""

from collections.abc import AsyncIterable
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Query, Response
from fastapi.sse import EventSourceResponse
from google.protobuf.message import Message

from quant.errors import QuantError
from services.console.domain import RunMode
from services.console.http_bodies import (
    MOST_VALUES,
    CardBody,
    CrossEvent,
    CrossingBody,
    DifferenceBody,
    Edit,
    GraphBody,
    LookBody,
    NumbersEdit,
    PrecisionEdit,
    ProgressBody,
    RangeEdit,
    ResultBody,
    ScaleEdit,
    SessionBody,
    StepStart,
    ValuesBody,
    VisitBody,
    body_of,
)
from services.console.http_callers import Changer, Console, ConsoleParts, Reader
from services.console.workbench_client import MODES, OPEN_S
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.edge.errors import StrataError

router = APIRouter(prefix="/api/runs/{run}", tags=["session"])
LayerName = Annotated[str, Query(max_length=400, description="Empty is the one that the session stands at")]
_PARTS = {
    "value": pb.ReadTensorRequest.KIND_VALUE,
    "sums": pb.ReadTensorRequest.KIND_SUMS,
    "weights": pb.ReadTensorRequest.KIND_WEIGHTS,
    "bias": pb.ReadTensorRequest.KIND_BIAS,
    "codes": pb.ReadTensorRequest.KIND_CODES,
    "scales": pb.ReadTensorRequest.KIND_SCALES,
}
_PRECISIONS = {"float": pb.PRECISION_FLOAT, "hybrid": pb.PRECISION_HYBRID, "int8": pb.PRECISION_INT8}


@dataclass(frozen=True)
class OwnSession:
    """A session, and the user whose it is."""

    user: str
    session: str


@router.get("/session", summary="Where the session stands")
async def session(console: ConsoleParts, caller: Reader, run: str) -> SessionBody:
    return body_of(
        SessionBody, (await _ask(console, caller.user.id, run, "GetSession", pb.GetSessionRequest())).session
    )


@router.get("/graph", summary="The layers, and what reads what")
async def graph(console: ConsoleParts, caller: Reader, run: str) -> GraphBody:
    return body_of(GraphBody, await _ask(console, caller.user.id, run, "GetGraph", pb.GetGraphRequest()))


@router.get("/card", summary="What a layer is, with its weights in figures")
async def card(console: ConsoleParts, caller: Reader, run: str, layer: LayerName = "") -> CardBody:
    return body_of(CardBody, await _ask(console, caller.user.id, run, "GetLayer", pb.GetLayerRequest(layer=layer)))


@router.post("/step", summary="Stand at another layer")
async def step(console: ConsoleParts, caller: Changer, run: str, body: StepStart) -> VisitBody:
    asked = pb.StepRequest()
    match body.to:
        case "forward":
            asked.forward = body.count
        case "back":
            asked.back = body.count
        case "layer":
            asked.layer = body.layer
        case "end":
            asked.end = True
    return body_of(VisitBody, (await _ask(console, caller.user.id, run, "Step", asked)).visit)


@router.get("/look", summary="A layer's value: statistics, histogram, exact integer sums")
async def look(console: ConsoleParts, caller: Reader, run: str, layer: LayerName = "") -> LookBody:
    asked = pb.LookRequest(layer=layer, histogram=True, sums=True)
    return body_of(LookBody, await _ask(console, caller.user.id, run, "Look", asked))


@router.get("/maps", summary="The channels of a layer's value as one grey PNG", response_class=Response)
async def maps(console: ConsoleParts, caller: Reader, run: str, layer: LayerName = "") -> Response:
    reply = await _ask(console, caller.user.id, run, "DrawFeatureMaps", pb.DrawFeatureMapsRequest(layer=layer))
    return Response(reply.png, media_type="image/png", headers={"Cache-Control": "no-store"})


@router.get("/tensor", summary="A part of a tensor")
async def tensor(
    console: ConsoleParts,
    caller: Reader,
    run: str,
    part: Annotated[str, Query(pattern=f"^({'|'.join(_PARTS)})$")],
    layer: LayerName = "",
    first: Annotated[int, Query(ge=0, lt=2**63)] = 0,
    count: Annotated[int, Query(gt=0, le=MOST_VALUES)] = 256,
) -> ValuesBody:
    asked = pb.ReadTensorRequest(
        session=await console.runs.session(caller.user.id, run),
        layer=layer,
        kind=_PARTS[part],
        first=first,
        count=count,
    )
    pieces = [reply async for reply in console.workbench.stream(caller.user.id, "ReadTensor", asked)]
    values = np.frombuffer(b"".join(reply.piece for reply in pieces), np.dtype(pieces[0].dtype).newbyteorder("<"))
    return ValuesBody(shape=list(pieces[0].shape), dtype=pieces[0].dtype, first=first, values=values.tolist())


async def _own_session(console: ConsoleParts, caller: Reader, run: str) -> OwnSession:
    """Found before a stream of events begins: its status has gone by then."""
    return OwnSession(caller.user.id, await console.runs.session(caller.user.id, run))


@router.get("/cross", summary="Every layer in both precisions on both inputs", response_class=EventSourceResponse)
async def cross(
    console: ConsoleParts,
    own: Annotated[OwnSession, Depends(_own_session)],
    mode: Annotated[RunMode | None, Query(description="The session's own, unless given")] = None,
) -> AsyncIterable[CrossEvent]:
    asked = pb.CrossRequest(session=own.session, mode=MODES[mode] if mode else pb.MODE_UNSPECIFIED)
    try:
        async for reply in console.workbench.stream(own.user, "Cross", asked):
            if reply.HasField("crossing"):
                yield CrossEvent(crossing=body_of(CrossingBody, reply.crossing))
            else:
                yield CrossEvent(progress=body_of(ProgressBody, reply.progress))
    except (StrataError, QuantError) as error:
        yield CrossEvent(fault=str(error), is_last=True)
    else:
        yield CrossEvent(is_last=True)


@router.post("/edits", summary="Change a layer")
async def edit(console: ConsoleParts, caller: Changer, run: str, body: Edit) -> DifferenceBody:
    reply = await _ask(console, caller.user.id, run, "Edit", _edit(body))
    return body_of(DifferenceBody, reply.difference)


@router.post("/undo", summary="Take the last edit back")
async def undo(console: ConsoleParts, caller: Changer, run: str) -> SessionBody:
    await _ask(console, caller.user.id, run, "Undo", pb.UndoRequest())
    return await session(console, caller, run)


@router.post("/result", summary="Run the model as it is edited now")
async def result(console: ConsoleParts, caller: Changer, run: str) -> ResultBody:
    asked = (await console.runs.get(caller.user.id, run)).request
    message = pb.RunRequest(top_k=asked.top_k, threshold=asked.threshold, untimed=True)
    return body_of(ResultBody, await _ask(console, caller.user.id, run, "Run", message, OPEN_S))


async def _ask(console: Console, user: str, run: str, rpc: str, request: Any, timeout_s: float = 60.0) -> Any:
    request.session = await console.runs.session(user, run)
    return await console.workbench.call(user, rpc, request, timeout_s)


def _edit(body: Edit) -> Message:
    message = pb.EditRequest(layer=body.layer)
    match body:
        case NumbersEdit():
            getattr(message, body.kind).CopyFrom(pb.EditRequest.Numbers(place=body.place, values=body.values))
        case ScaleEdit():
            message.scale.CopyFrom(pb.EditRequest.Scale(channel=body.channel, scale=body.scale))
        case RangeEdit():
            message.range.CopyFrom(pb.EditRequest.Range(low=body.low, high=body.high))
        case PrecisionEdit():
            message.precision = _PRECISIONS[body.precision]
    return message
