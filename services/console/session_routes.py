"""The session of a run: stepped, looked into, edited."""

from pathlib import PurePath
from typing import Annotated, Any, Literal

import numpy as np
from fastapi import APIRouter, Query, Response
from google.protobuf.message import Message

from services.console.http_bodies import FileBody, PathBody, ResultBody, body_of, encoded
from services.console.http_callers import Changer, Console, ConsoleParts, Reader
from services.console.session_bodies import (
    MAPS_SIDE,
    MOST_VALUES,
    CardBody,
    DifferenceBody,
    DifferenceView,
    Edit,
    GraphBody,
    LookBody,
    NumbersEdit,
    PrecisionEdit,
    RangeEdit,
    ScaleEdit,
    SessionBody,
    StepStart,
    ValuesBody,
    VisitBody,
)
from services.console.workbench_client import OPEN_S
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb

router = APIRouter(prefix="/api/runs/{run}", tags=["session"])
LayerName = Annotated[str, Query(max_length=400, description="Empty is the one that the session stands at")]
MostSide = Annotated[int, Query(ge=0, le=2**16, description="Pixels of the longer side at most; 0 is as it is")]
_PARTS = {
    "value": pb.ReadTensorRequest.KIND_VALUE,
    "sums": pb.ReadTensorRequest.KIND_SUMS,
    "weights": pb.ReadTensorRequest.KIND_WEIGHTS,
    "bias": pb.ReadTensorRequest.KIND_BIAS,
    "codes": pb.ReadTensorRequest.KIND_CODES,
    "scales": pb.ReadTensorRequest.KIND_SCALES,
}
_SUFFIXES = {pb.ExportResponse.KIND_MODEL: ".strata", pb.ExportResponse.KIND_INTEGERS: ".integers"}
_PRECISIONS = {"float": pb.PRECISION_FLOAT, "hybrid": pb.PRECISION_HYBRID, "int8": pb.PRECISION_INT8}


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
async def maps(
    console: ConsoleParts, caller: Reader, run: str, layer: LayerName = "", most_side: MostSide = MAPS_SIDE
) -> Response:
    asked = pb.DrawFeatureMapsRequest(layer=layer, most_side=most_side)
    reply = await _ask(console, caller.user.id, run, "DrawFeatureMaps", asked)
    return Response(reply.png, media_type="image/png", headers={"Cache-Control": "no-store"})


@router.get("/difference", summary="A layer's value against another, in figures and as a grey PNG")
async def difference(
    console: ConsoleParts,
    caller: Reader,
    run: str,
    layer: LayerName = "",
    against: Annotated[
        Literal["before", "float"], Query(description="The value before the last edit, or the float run's")
    ] = "before",
    most_side: MostSide = MAPS_SIDE,
) -> DifferenceView:
    asked = pb.CompareRequest(layer=layer, with_float=against == "float", draw=True, most_side=most_side)
    reply = await _ask(console, caller.user.id, run, "Compare", asked)
    return DifferenceView(difference=body_of(DifferenceBody, reply.difference), png=encoded(reply.png))


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


@router.post("/edits", summary="Change a layer")
async def edit(console: ConsoleParts, caller: Changer, run: str, body: Edit) -> DifferenceBody:
    reply = await _ask(console, caller.user.id, run, "Edit", _edit(body))
    return body_of(DifferenceBody, reply.difference)


@router.post("/undo", summary="Take the last edit back")
async def undo(console: ConsoleParts, caller: Changer, run: str) -> SessionBody:
    await _ask(console, caller.user.id, run, "Undo", pb.UndoRequest())
    return await session(console, caller, run)


@router.post("/variant", status_code=201, summary="Keep the model as it is edited now as files of yours")
async def keep_variant(console: ConsoleParts, caller: Changer, run: str, body: PathBody) -> list[FileBody]:
    path = body.path.strip("/")
    request = pb.ExportRequest(session=await console.runs.session(caller.user.id, run), name=PurePath(path).name)
    pieces = console.workbench.stream(caller.user.id, "Export", request)
    parts = ((f"{path}{_SUFFIXES[each.kind]}", each.piece) async for each in pieces)
    return [FileBody.of(file) for file in await console.files.receive_all(caller.user.id, parts)]


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
