"""Requests and replies <-> the messages of each protocol, and a protocol's errors as outcomes."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import grpc
import httpx
import numpy as np

from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.edge.deadline import REQUEST_TIMEOUT
from services.edge.errors import QueueFull, TooLarge
from services.edge.status import ERROR_METADATA_KEY
from services.loadtest.answers import LabelledPicture, Reply, Target, check_reply
from services.loadtest.samples import Ended, Outcome
from services.loadtest.scenario import Request

_MODES = {None: pb.MODE_UNSPECIFIED, "parallel": pb.MODE_PARALLEL, "serial": pb.MODE_SERIAL}
_REASON_LENGTH = 200
UNREADABLE = (ValueError, KeyError, TypeError, OverflowError, RecursionError)
"""What reading JSON of another shape raises, numbers without end and lists in lists without end among it."""


def predict_request(pictures: Sequence[LabelledPicture], request: Request, target: Target) -> pb.PredictRequest:
    """Write a request of strata.ensemble.v1."""
    return pb.PredictRequest(
        ensemble=target.ensemble,
        pictures=[picture.data for picture in pictures],
        mode=_MODES[request.mode],
        deadline_ms=request.deadline_ms or 0,
    )


def predict_reply(answer: pb.PredictResponse) -> Reply:
    """Read an answer of strata.ensemble.v1."""
    answered = pb.MemberAnswer.STATE_ANSWERED
    return Reply(
        scores=[[(each.label, each.score) for each in prediction.scores] for prediction in answer.predictions],
        members={member.model: member.state == answered for member in answer.members},
        money=answer.receipt.total.money if answer.HasField("receipt") else None,
    )


def target_of_ensembles(ensembles: Sequence[pb.Ensemble], named: str) -> Target | None:
    """Find an ensemble among those served; the name may be empty where there is one."""
    fitting = [each for each in ensembles if each.name == named or (not named and len(ensembles) == 1)]
    if not fitting:
        return None
    (found, *_) = fitting
    members = frozenset(member.model for member in found.members)
    return Target(found.name, frozenset(found.labels), members, found.deadline_ms)


def infer_request(model: str, pictures: Sequence[LabelledPicture]) -> oip.ModelInferRequest:
    """Write a request of the Open Inference Protocol: the encoded pictures, [N] BYTES."""
    contents = oip.InferTensorContents(bytes_contents=[picture.data for picture in pictures])
    tensor = oip.ModelInferRequest.InferInputTensor(
        name="picture", datatype="BYTES", shape=[len(pictures)], contents=contents
    )
    return oip.ModelInferRequest(model_name=model, inputs=[tensor])


def infer_reply(answer: oip.ModelInferResponse) -> Reply:
    """Read an answer of the Open Inference Protocol: the best class of each picture, its label its index.

    Raises:
        ValueError: it is not one raw FP32 tensor [N, K].
    """
    (output,), (raw,) = answer.outputs, answer.raw_output_contents
    scores = np.frombuffer(raw, np.float32).reshape(output.shape)
    if scores.ndim != 2 or not scores.size:
        raise ValueError(f"its scores have the shape {list(output.shape)}")
    best = scores.argmax(axis=1)
    with np.errstate(all="ignore"):
        exponents = np.exp(scores - scores.max(axis=1, keepdims=True))
        shares = exponents.max(axis=1) / exponents.sum(axis=1)
    return Reply([[(str(index), float(share))] for index, share in zip(best, shares, strict=True)], {}, None)


@dataclass(frozen=True)
class HttpForm:
    """A request to the front door's HTTP: multipart/form-data."""

    path: str
    parameters: dict[str, str]
    headers: dict[str, str]
    files: list[tuple[str, tuple[str, bytes]]]


def predict_form(pictures: Sequence[LabelledPicture], request: Request, target: Target) -> HttpForm:
    """Write a request of the front door's HTTP."""
    given = {"mode": request.mode, "deadline_ms": request.deadline_ms}
    return HttpForm(
        f"/v1/ensembles/{target.ensemble}:predict",
        {name: str(value) for name, value in given.items() if value is not None},
        {REQUEST_TIMEOUT: f"{request.patience_ms / 1e3:g}"},
        [("pictures", (f"{picture.number}", picture.data)) for picture in pictures],
    )


def ensembles_of_json(content: bytes) -> list[pb.Ensemble]:
    """Read the front door's list of ensembles.

    Raises:
        UNREADABLE: it is something else.
    """
    return [
        pb.Ensemble(
            name=each["name"],
            members=[pb.EnsembleMember(model=member["model"]) for member in each["members"]],
            deadline_ms=each["deadline_ms"],
            labels=each["labels"],
        )
        for each in json.loads(content)
    ]


def http_reply(content: bytes) -> Reply:
    """Read the front door's JSON.

    Raises:
        UNREADABLE: it is something else.
    """
    body: dict[str, Any] = json.loads(content)
    return Reply(
        scores=[
            [(str(each["label"]), float(each["score"])) for each in prediction["scores"]]
            for prediction in body["predictions"]
        ],
        members={str(member["model"]): member["state"] == "answered" for member in body["members"]},
        money=float(body["receipt"]["total"]["money"]) if body.get("receipt") else None,
    )


def target_of_model(name: str) -> Target:
    """A model under the Open Inference Protocol says neither labels nor members nor a deadline."""
    return Target(name, frozenset(), frozenset(), None)


def ended_by_prediction(answer: pb.PredictResponse, target: Target, pictures: Sequence[LabelledPicture]) -> Ended:
    """Check an answer of strata.ensemble.v1."""
    return check_reply(predict_reply(answer), target, pictures)


def ended_by_inference(answer: oip.ModelInferResponse, target: Target, pictures: Sequence[LabelledPicture]) -> Ended:
    """Check an answer of the Open Inference Protocol."""
    try:
        reply = infer_reply(answer)
    except ValueError as error:
        return ended_by_nonsense(error)
    return check_reply(reply, target, pictures)


def ended_by_http(status: int, content: bytes, target: Target, pictures: Sequence[LabelledPicture]) -> Ended:
    """Check an answer of the front door's HTTP, or sort its status."""
    if status != 200:
        return _refused_by_http(status, content)
    try:
        reply = http_reply(content)
    except UNREADABLE as error:
        return ended_by_nonsense(error)
    return check_reply(reply, target, pictures)


def ended_by_http_error(error: httpx.HTTPError) -> Ended:
    """Sort a request that got no response."""
    outcome = Outcome.EXPIRED if isinstance(error, httpx.TimeoutException) else Outcome.FAILED
    return Ended(outcome, f"{type(error).__name__}: {error}"[:_REASON_LENGTH])


def ended_by_grpc(error: grpc.RpcError) -> Ended:
    """Sort a gRPC status."""
    assert isinstance(error, grpc.Call | grpc.aio.AioRpcError)
    code, name = error.code(), dict(error.trailing_metadata() or ()).get(ERROR_METADATA_KEY, "")
    outcome = Outcome.FAILED
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        outcome = Outcome.EXPIRED
    elif name == QueueFull.__name__ or (code is grpc.StatusCode.RESOURCE_EXHAUSTED and name != TooLarge.__name__):
        outcome = Outcome.REFUSED
    return Ended(outcome, f"{name or code.name}: {error.details() or ''}"[:_REASON_LENGTH])


def ended_by_nonsense(error: Exception) -> Ended:
    """What came cannot be read."""
    return Ended(Outcome.WRONG, f"not an answer: {error}"[:_REASON_LENGTH])


def _refused_by_http(status: int, content: bytes) -> Ended:
    try:
        body = json.loads(content)
        name, message = str(body["kind"]), str(body["error"])
    except UNREADABLE:
        name, message = "", content[:_REASON_LENGTH].decode(errors="replace")
    outcome = Outcome.FAILED
    if status == 504:
        outcome = Outcome.EXPIRED
    elif status == 429 or name == QueueFull.__name__:
        outcome = Outcome.REFUSED
    return Ended(outcome, f"{name or status}: {message}"[:_REASON_LENGTH])
