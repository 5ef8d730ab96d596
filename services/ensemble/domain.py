"""What an ensemble is, what it is asked, and what it answers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import zip_longest
from typing import TypeAlias

from services.edge.errors import BatchTooLarge, EmptyBatch, InvalidInput
from services.edge.receipts import Allocation, Receipt
from services.zoo.manifest import PICTURE, SOUND

EncodedFile: TypeAlias = bytes | memoryview
"""A file, or the part of a message that one came in: what waits is held once."""


@dataclass(frozen=True)
class Item:
    """What one prediction is about: a picture, a sound, or both, encoded."""

    picture: EncodedFile | None = None
    sound: EncodedFile | None = None


DEFAULT_TOP_K = 5

MAX_SCORES = 2**17
"""In one answer: each takes some microseconds in the event loop of all requests, and 700 bytes on its way."""

MAX_DEADLINE_MS = 3_600_000
"""An hour: the most that a request or a declaration may ask for."""


class Rule(StrEnum):
    """How members' scores become one answer; `rules` has the formulas."""

    MEAN = "mean"
    WEIGHTED = "weighted"
    MAJORITY = "majority"


class EnsembleMode(StrEnum):
    """All members at once, or one after the other in the order they are declared."""

    PARALLEL = "parallel"
    SERIAL = "serial"


class WhenLate(StrEnum):
    """What to do with a request whose members would not all be in by its deadline, by what they take just now.

    Start the best subset of those that would; refuse it; or start all, and answer with what is in at the deadline.
    """

    SUBSET = "subset"
    REFUSE = "refuse"
    START = "start"


@dataclass(frozen=True)
class Member:
    """A model and how much its word counts."""

    model: str
    weight: float = 1.0


@dataclass(frozen=True)
class Ensemble:
    """Models that answer together, and the rule that combines them; fewer than `min_members` are no answer."""

    name: str
    members: tuple[Member, ...]
    rule: Rule
    mode: EnsembleMode
    deadline_ms: int
    min_members: int = 1
    when_late: WhenLate = WhenLate.SUBSET

    @property
    def models(self) -> tuple[str, ...]:
        """The members' names, as declared."""
        return tuple(member.model for member in self.members)


@dataclass(frozen=True)
class PredictRequest:
    """Pictures to classify, sounds, or pictures with their sounds.

    Attributes:
        ensemble: may be empty where only one is served.
        pictures: encoded: JPEG, PNG, WebP, BMP or GIF.
        sounds: WAV files, where members take them: as many as pictures, where these are taken too.
        mode: None is the ensemble's own.
        deadline_s: time the answer may take from now; None is the ensemble's own.
        latest_s: time until the caller hangs up; None is never. The sooner of the two counts.
        top_k: classes to name per picture, best first.
        user: who asks, as a signed token names them; empty without one.
    """

    ensemble: str
    pictures: tuple[EncodedFile, ...]
    mode: EnsembleMode | None = None
    deadline_s: float | None = None
    latest_s: float | None = None
    top_k: int = DEFAULT_TOP_K
    user: str = ""
    sounds: tuple[EncodedFile, ...] = ()


@dataclass(frozen=True)
class Score:
    """One class of one picture; `score` is a probability."""

    index: int
    label: str
    score: float


@dataclass(frozen=True)
class Prediction:
    """One picture's answer, best class first."""

    scores: tuple[Score, ...]


class MemberState(StrEnum):
    """What became of a member: `missing` did not answer by the deadline, or was not even started by then."""

    ANSWERED = "answered"
    MISSING = "missing"
    FAILED = "failed"


@dataclass(frozen=True)
class MemberAnswer:
    """One member's part of an answer.

    Attributes:
        weight: the share its word had in this answer; the shares of those that answered sum to 1.
        predictions: one per picture; empty unless answered.
        latency_ms: from its start to its answer or end, as the ensemble saw it; 0 where it was not started.
        compute_ms: inside the model's process, decoding and forward pass, without waiting.
        cold: its process answered its first request.
        error: why it failed, or is missing where that is known.
    """

    model: str
    state: MemberState
    weight: float
    predictions: tuple[Prediction, ...]
    latency_ms: float
    compute_ms: float
    cold: bool
    error: str


@dataclass(frozen=True)
class Answer:
    """What the ensemble says.

    Attributes:
        predictions: one per picture, of the members that answered.
        expected_accuracy: measured on labelled pictures for exactly the members that answered; None where none did.
        unclaimed: what members' processes spent and held for no request, or for requests before this one that got no
            answer, as far as they said so since the answer before.
    """

    ensemble: str
    mode: EnsembleMode
    predictions: tuple[Prediction, ...]
    members: tuple[MemberAnswer, ...]
    latency_ms: float
    expected_accuracy: float | None
    receipt: Receipt
    unclaimed: Mapping[str, Allocation] = field(default_factory=dict)


@dataclass(frozen=True)
class Started:
    """What became of a member that was woken: how long that took in s, and why it does not run, where it does not."""

    took_s: float
    error: str = ""


WAKE_S = 180.0
"""As long as members may take to start where who wakes them does not say."""


@dataclass(frozen=True)
class ModelDescription:
    """A model as its callers see it.

    Attributes:
        input_size: (H, W) of its tensor, in pixels.
        origin: its architecture, or the program its user brought.
    """

    name: str
    origin: str
    input_size: tuple[int, int]


@dataclass(frozen=True)
class Description:
    """An ensemble as its callers see it; `labels` is empty where its models name none."""

    ensemble: Ensemble
    models: tuple[ModelDescription, ...]
    labels: tuple[str, ...]


REPLY_MARGIN_S = 0.02
"""An answer leaves this much before its caller hangs up."""


def time_given(request: PredictRequest, ensemble: Ensemble) -> float:
    """Return how long the answer may take from when the request came, in s, as asked or declared, or as its caller
    waits.
    """
    asked_s = request.deadline_s if request.deadline_s is not None else ensemble.deadline_ms / 1e3
    return asked_s if request.latest_s is None else min(asked_s, request.latest_s)


def time_to_start(latest_s: float | None) -> float:
    """Return how long members may take to start, in s, where who wakes them waits so long; None is not said."""
    return WAKE_S if latest_s is None else max(0.0, latest_s - REPLY_MARGIN_S)


def time_allowed(request: PredictRequest, ensemble: Ensemble, waited_s: float = 0.0) -> float:
    """Return how long the answer may take from now, in s: as asked, or else as declared, but no longer than its caller
    waits.

    Args:
        waited_s: since the request came; what is declared counts from now.
    """
    allowed_s = request.deadline_s - waited_s if request.deadline_s is not None else ensemble.deadline_ms / 1e3
    if request.latest_s is None:
        return max(0.0, allowed_s)
    return max(0.0, min(allowed_s, request.latest_s - waited_s - REPLY_MARGIN_S))


def items_of(request: PredictRequest, kinds: Collection[str]) -> tuple[Item, ...]:
    """Put together what each prediction is about.

    Args:
        kinds: that members of the ensemble take.
    Raises:
        InvalidInput: something is there that none of them takes, or not as much of one kind as of another.
    """
    given = {PICTURE: request.pictures, SOUND: request.sounds}
    for kind, files in given.items():
        if files and kind not in kinds:
            raise InvalidInput(
                f"{len(files)} {kind}s, and no member takes a {kind}; they take {', '.join(sorted(kinds))}s"
            )
    counts = {kind: len(given[kind]) for kind in sorted(kinds)}
    if len(set(counts.values())) > 1:
        said = " and ".join(f"{count} {kind}s" for kind, count in counts.items())
        raise InvalidInput(f"{said}; members take both, so send as many of each")
    return tuple(
        Item(*each) for each in zip_longest(*(given[kind] if kind in kinds else () for kind in (PICTURE, SOUND)))
    )


def check_scores(ensemble: Ensemble, pictures: int, top_k: int, classes: int) -> None:
    """Refuse a request whose answer would name too many classes: of each picture, by each member and by all together.

    Args:
        classes: that there are; 0 where that is not known before members have answered.
    Raises:
        InvalidInput: more than `MAX_SCORES`.
    """
    named = pictures * min(top_k, classes or top_k) * (len(ensemble.members) + 1)
    if named > MAX_SCORES:
        raise InvalidInput(
            f"top_k {top_k} of {pictures} pictures would make an answer of {named} scores; one may have {MAX_SCORES}: "
            "name fewer classes, or send fewer pictures at a time"
        )


def check_items(items: Sequence[Item], max_items: int) -> None:
    """Refuse a request whole, before anything of it runs.

    Raises:
        EmptyBatch: nothing.
        BatchTooLarge: more than `max_items`.
    """
    if not items:
        raise EmptyBatch("no pictures; send at least one")
    if len(items) > max_items:
        raise BatchTooLarge(f"{len(items)} pictures; one request may have {max_items}: send them in parts")
