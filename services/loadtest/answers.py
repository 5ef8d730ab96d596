"""An answer is checked, not just received."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from services.loadtest.samples import Ended, Outcome


@dataclass(frozen=True)
class Target:
    """What a target says of itself.

    Attributes:
        labels: the classes it knows; empty where it names none.
        members: the models that are to be in every answer, answered or missing.
        deadline_ms: its own; None where it has none.
    """

    ensemble: str
    labels: frozenset[str]
    members: frozenset[str]
    deadline_ms: int | None


@dataclass(frozen=True)
class Reply:
    """An answer, whatever protocol it came by.

    Attributes:
        scores: for each picture (label, score), best first.
        members: model -> whether it answered.
        money: by the receipt; None where there is none.
    """

    scores: Sequence[Sequence[tuple[str, float]]]
    members: dict[str, bool]
    money: float | None


@dataclass(frozen=True)
class LabelledPicture:
    """An encoded picture and its class; `label` is None where that is not known."""

    number: int
    data: bytes
    label: str | None


_ROUNDING = 1e-6
"""Of float32."""

_MOST_MONEY = 1e12
"""For one request, in any currency: more is none that anybody asks for, and sums of such numbers overflow."""


def check_reply(reply: Reply, target: Target, pictures: Sequence[LabelledPicture]) -> Ended:
    """Hold an answer against what was asked and against what the target says it knows."""
    fault = _fault_of(reply, target, len(pictures))
    if fault:
        return Ended(Outcome.WRONG, fault)
    right = tuple(
        (picture.number, scores[0][0] == picture.label)
        for picture, scores in zip(pictures, reply.scores, strict=True)
        if picture.label is not None
    )
    return Ended(Outcome.ANSWERED, complete=all(reply.members.values()), right=right, money=reply.money)


def _fault_of(reply: Reply, target: Target, asked: int) -> str:
    """Say what is wrong with an answer; empty where nothing is."""
    if len(reply.scores) != asked:
        return f"answers {len(reply.scores)} pictures of {asked}"
    if reply.members.keys() != target.members:
        return f"its members are {', '.join(sorted(reply.members)) or 'none'}"
    if target.members and not any(reply.members.values()):
        return "no member answered"
    if reply.money is not None and not 0 <= reply.money <= _MOST_MONEY:
        return f"a receipt over {reply.money}"
    for scores in reply.scores:
        if not scores:
            return "a picture without scores"
        for label, score in scores:
            if not math.isfinite(score) or not 0 <= score <= 1 + _ROUNDING:
                return f"a score of {score}"
            if target.labels and label not in target.labels:
                return f"an unknown label '{label[:40]}'"
        if any(after > before for (_, before), (_, after) in pairwise(scores)):
            return "scores that are not best first"
    return ""
