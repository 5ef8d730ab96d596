"""Requests and answers <-> the messages of strata.ensemble.v1."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Self

from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.edge.errors import BatchTooLarge, InvalidInput
from services.edge.receipt_messages import receipt_to_message
from services.ensemble.domain import (
    DEFAULT_TOP_K,
    MAX_DEADLINE_MS,
    Answer,
    Description,
    EnsembleMode,
    MemberAnswer,
    MemberState,
    Prediction,
    PredictRequest,
    Started,
)

_MODES = {pb.MODE_UNSPECIFIED: None, pb.MODE_PARALLEL: EnsembleMode.PARALLEL, pb.MODE_SERIAL: EnsembleMode.SERIAL}
_MODE_MESSAGES = {EnsembleMode.PARALLEL: pb.MODE_PARALLEL, EnsembleMode.SERIAL: pb.MODE_SERIAL}
_STATES = {
    MemberState.ANSWERED: pb.MemberAnswer.STATE_ANSWERED,
    MemberState.MISSING: pb.MemberAnswer.STATE_MISSING,
    MemberState.FAILED: pb.MemberAnswer.STATE_FAILED,
}


@dataclass(frozen=True)
class ReceivedRequest:
    """A request as it came: a message without its files, and these as parts of the bytes that it came in.

    gRPC keeps those bytes for as long as a call lasts. A message that is read from them has a copy of each picture, and
    gives another one to who asks for it: what waits would be held three times.

    Attributes:
        files: as many came; of too many there are no parts, each of which takes more memory than an empty file.
    """

    message: pb.PredictRequest
    pictures: tuple[memoryview, ...]
    sounds: tuple[memoryview, ...]
    files: int

    @classmethod
    def read(cls, raw: bytes, max_files: int) -> Self:
        """Read the bytes of a call."""
        whole = pb.PredictRequest.FromString(raw)
        files = len(whole.pictures) + len(whole.sounds)
        message = pb.PredictRequest(
            ensemble=whole.ensemble, mode=whole.mode, deadline_ms=whole.deadline_ms, top_k=whole.top_k
        )
        if files > max_files:
            return cls(message, (), (), files)
        return cls(message, _parts_of(raw, whole.pictures), _parts_of(raw, whole.sounds), files)


def _parts_of(raw: bytes, files: Iterable[bytes]) -> tuple[memoryview, ...]:
    """Find where in a message its files lie; they are in their order."""
    parts, begin = [], 0
    for file in files:
        begin = raw.index(file, begin)
        parts.append(memoryview(raw)[begin : begin + len(file)])
        begin += len(file)
    return tuple(parts)


def request_from_message(received: ReceivedRequest, time_remaining_s: float | None, user: str = "") -> PredictRequest:
    """Read a request; of its own deadline and the call's, the sooner wins.

    Raises:
        BatchTooLarge: more files than are read of one request.
        InvalidInput: no such mode, or a deadline over `MAX_DEADLINE_MS`.
    """
    message = received.message
    if received.files > len(received.pictures) + len(received.sounds):
        raise BatchTooLarge(f"{received.files} files in one request: send them in several requests")
    if message.mode not in _MODES:
        raise InvalidInput(f"mode {message.mode}: expected {pb.MODE_PARALLEL} (parallel) or {pb.MODE_SERIAL} (serial)")
    if message.deadline_ms > MAX_DEADLINE_MS:
        raise InvalidInput(f"deadline_ms is {message.deadline_ms}; at most {MAX_DEADLINE_MS}, which is an hour")
    asked_s = message.deadline_ms / 1e3 if message.deadline_ms else None
    return PredictRequest(
        ensemble=message.ensemble,
        pictures=received.pictures,
        mode=_MODES[message.mode],
        deadline_s=asked_s,
        latest_s=time_remaining_s,
        top_k=message.top_k or DEFAULT_TOP_K,
        user=user,
        sounds=received.sounds,
    )


def answer_to_message(answer: Answer) -> pb.PredictResponse:
    """Write an answer."""
    return pb.PredictResponse(
        ensemble=answer.ensemble,
        mode=_MODE_MESSAGES[answer.mode],
        predictions=map(_prediction, answer.predictions),
        members=map(_member, answer.members),
        latency_ms=answer.latency_ms,
        expected_accuracy=answer.expected_accuracy,
        receipt=receipt_to_message(answer.receipt),
    )


def woken_to_message(woken: Mapping[str, Started]) -> pb.WakeResponse:
    """Write what became of members that were woken."""
    return pb.WakeResponse(
        members=[
            pb.WokenMember(model=model, took_ms=1e3 * started.took_s, error=started.error)
            for model, started in woken.items()
        ]
    )


def description_to_message(description: Description) -> pb.Ensemble:
    """Write a description."""
    ensemble = description.ensemble
    return pb.Ensemble(
        name=ensemble.name,
        members=[pb.EnsembleMember(model=member.model, weight=member.weight) for member in ensemble.members],
        rule=ensemble.rule,
        mode=_MODE_MESSAGES[ensemble.mode],
        deadline_ms=ensemble.deadline_ms,
        labels=description.labels,
    )


def _member(member: MemberAnswer) -> pb.MemberAnswer:
    return pb.MemberAnswer(
        model=member.model,
        state=_STATES[member.state],
        weight=member.weight,
        predictions=map(_prediction, member.predictions),
        latency_ms=member.latency_ms,
        compute_ms=member.compute_ms,
        error=member.error,
        cold=member.cold,
    )


def _prediction(prediction: Prediction) -> pb.Prediction:
    return pb.Prediction(
        scores=[pb.Score(index=each.index, label=each.label, score=each.score) for each in prediction.scores]
    )
