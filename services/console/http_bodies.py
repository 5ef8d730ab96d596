"""What goes over the console's HTTP interface, as JSON; the page's types are generated from it."""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.console.domain import LONGEST_PATH, Run, RunMode, RunOrder, RunState, UserFile

MOST_VALUES = 4096
"""Elements of a tensor in one answer or one edit: a tensor is never sent whole."""


class Body(BaseModel):
    """Of every body; what a request has and we do not know is refused."""

    model_config = ConfigDict(extra="forbid")


class Credentials(Body):
    name: str = Field(max_length=80)
    password: str = Field(max_length=1000)


class AccountBody(Body):
    """Who is logged in."""

    name: str
    csrf_token: str = Field(description="To be sent with each change as the header X-CSRF-Token")
    used_bytes: int
    quota_bytes: int
    file_bytes: int = Field(description="The most that one file may have")


class FileBody(Body):
    """A file or a folder."""

    id: str
    path: str = Field(description="folder/name")
    is_folder: bool
    size_bytes: int
    created: datetime

    @classmethod
    def of(cls, file: UserFile) -> Self:
        return cls(
            id=file.id,
            path=file.path,
            is_folder=file.is_folder,
            size_bytes=file.size_bytes,
            created=_time(file.created_s),
        )


class PathBody(Body):
    path: str = Field(max_length=LONGEST_PATH, description="folder/name")


class RunStart(Body):
    """What to run."""

    model: str = Field(max_length=200, description="A name that GET /api/models lists, or the id of a .strata file")
    is_file: bool = Field(False, description="`model` is the id of a file")
    mode: RunMode
    picture: str = Field(max_length=64, description="The id of a file")
    weights: str = Field("", max_length=200, description="random://SEED or torchvision://NAME; empty takes the model's")
    size: int = Field(0, ge=0, le=10_000, description="Side of a Darknet network's input in pixels; 0 is its own")
    integer_file: str = Field("", max_length=64, description="The id of an .integers file")
    top_k: int = Field(5, gt=0, le=1000)
    threshold: float = Field(0.5, ge=0, le=1)

    def request(self) -> RunOrder:
        return RunOrder(**self.model_dump())


def _lower_tail(prefix: str) -> Any:
    """An enumeration's name in a message -> the word for it here."""
    return BeforeValidator(lambda name: name.removeprefix(prefix).lower() if isinstance(name, str) else name)


ModeName = Annotated[RunMode, _lower_tail("MODE_")]
PrecisionName = Annotated[Literal["unspecified", "float", "hybrid", "int8"], _lower_tail("PRECISION_")]


class ReplyBase(BaseModel):
    """Of bodies that are made of the workbench's messages: what these have and we do not show is left out."""

    model_config = ConfigDict(extra="ignore")


class BoxBody(ReplyBase):
    """Fractions of the picture; x and y are the middle."""

    label: int
    name: str
    score: float
    x: float
    y: float
    width: float
    height: float


class GuessBody(ReplyBase):
    label: int
    name: str
    probability: float


class ResultBody(ReplyBase):
    """What a run found."""

    mode: ModeName
    isa: str
    latency_ms: float
    detects: bool
    boxes: list[BoxBody]
    guesses: list[GuessBody]


class RunBody(Body):
    """One inference."""

    id: str
    model: str
    is_file: bool
    mode: RunMode
    picture_name: str
    created: datetime
    state: RunState
    can_step: bool = Field(description="Its session is open: see /api/runs/{run}/session")
    result: ResultBody | None
    fault: str = Field(description="Why it failed")

    @classmethod
    def of(cls, run: Run) -> Self:
        return cls(
            id=run.id,
            model=run.model_name,
            is_file=run.request.is_file,
            mode=run.request.mode,
            picture_name=run.picture_name,
            created=_time(run.created_s),
            state=run.state,
            can_step=bool(run.session),
            result=ResultBody.model_validate_json(run.result) if run.result else None,
            fault=run.fault,
        )


class SessionBody(ReplyBase):
    """Where a session stands."""

    model: str
    weights: str
    trained: bool
    mode: ModeName
    layer: str = Field(description="Empty before the first")
    branch: str
    branches: list[str]
    edits: int = Field(description="On this branch, that can be undone")
    calibrated: bool
    calibrated_on_picture: bool
    has_auto_plan: bool
    isa: str
    threads: int
    auto_warning: str


class QParamsBody(ReplyBase):
    scale: float
    zero_point: int


class LayerBody(ReplyBase):
    """One layer of the graph."""

    index: int
    name: str
    operation: str
    inputs: list[str] = Field(description="Names of layers; `input` is the picture")
    shape: list[int]
    precision: PrecisionName
    qparams: QParamsBody | None = None
    parameters: int


class GraphBody(ReplyBase):
    """The layers in the order they run."""

    input_shape: list[int]
    layers: list[LayerBody]
    outputs: list[str]


class StatisticsBody(ReplyBase):
    low: float
    high: float
    mean: float
    std: float
    zero_fraction: float
    clipped: int | None = None


class HistogramBody(ReplyBase):
    """counts[i] elements lie from edges[i] to edges[i + 1]."""

    edges: list[float]
    counts: list[int]


class TensorBody(ReplyBase):
    """A tensor of a layer in figures."""

    shape: list[int]
    statistics: StatisticsBody
    histogram: HistogramBody


class CardBody(ReplyBase):
    """What a layer is."""

    layer: LayerBody
    parameters: dict[str, str]
    weights: TensorBody | None = None
    bias: TensorBody | None = None
    codes: TensorBody | None = None
    scales: TensorBody | None = None


class VisitBody(ReplyBase):
    """A stop at a layer."""

    index: int
    layer: str
    statistics: StatisticsBody
    sqnr_db: float = Field(description="Signal to noise against the float run; 200 is exact")


class SumsBody(ReplyBase):
    low: int
    high: int
    count: int


class LookBody(ReplyBase):
    """A layer's value."""

    visit: VisitBody
    histogram: HistogramBody
    sums: SumsBody | None = None


class DifferenceBody(ReplyBase):
    """Of a layer's value in two states of the model."""

    layer: str
    sqnr_db: float
    largest: float
    changed_fraction: float


class CrossingBody(ReplyBase):
    """Signal to noise of one layer in dB: high is good, 200 is exact."""

    layer: str
    precision: PrecisionName
    own_db: float = Field(description="In integers on the float input: what it adds itself")
    inherited_db: float = Field(description="In float on the integer run's input: what it was given")
    total_db: float = Field(description="In integers on the integer run's input: what it passes on")


class ProgressBody(ReplyBase):
    """Where long work is; both numbers 0 where it is not counted."""

    step: str
    done: int
    total: int


class CrossEvent(Body):
    """One event of a cross; the last one has `is_last`, and a fault where the work failed."""

    crossing: CrossingBody | None = None
    progress: ProgressBody | None = None
    fault: str = ""
    is_last: bool = False


class StepStart(Body):
    """Where to go: one of the four."""

    to: Literal["forward", "back", "layer", "end"]
    count: int = Field(1, ge=1, le=100_000, description="Of layers, forward or back")
    layer: str = Field("", max_length=400)


class ValuesBody(Body):
    """A part of a tensor, in row-major order."""

    shape: list[int]
    dtype: str
    first: int
    values: list[float]


class NumbersEdit(Body):
    """Numbers for a place in a tensor."""

    kind: Literal["weights", "codes", "bias"]
    layer: str = Field("", max_length=400)
    place: list[Annotated[int, Field(ge=0, lt=2**32)]] = Field(max_length=4, description="Indices from the left")
    values: list[Annotated[float, Field(allow_inf_nan=False)]] = Field(min_length=1, max_length=MOST_VALUES)


class ScaleEdit(Body):
    """The weight scale of one output channel."""

    kind: Literal["scale"]
    layer: str = Field("", max_length=400)
    channel: int = Field(ge=0, lt=2**32)
    scale: float = Field(gt=0, allow_inf_nan=False)


class RangeEdit(Body):
    """What the codes of a layer's value span."""

    kind: Literal["range"]
    layer: str = Field("", max_length=400)
    low: float = Field(allow_inf_nan=False)
    high: float = Field(allow_inf_nan=False)


class PrecisionEdit(Body):
    kind: Literal["precision"]
    layer: str = Field("", max_length=400)
    precision: Literal["float", "hybrid", "int8"]


Edit = Annotated[NumbersEdit | ScaleEdit | RangeEdit | PrecisionEdit, Field(discriminator="kind")]

ReplyBody = TypeVar("ReplyBody", bound=ReplyBase)


def body_of(kind: type[ReplyBody], message: Message) -> ReplyBody:
    """The body made of a message of the workbench's."""
    return kind.model_validate(
        MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
