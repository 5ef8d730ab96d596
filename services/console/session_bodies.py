"""What goes over HTTP about a session: the graph, its layers, and edits of them."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from services.console.http_bodies import Body, ModeName, Png, PrecisionName, ReplyBase

MOST_VALUES = 4096
"""Elements of a tensor in one answer or one edit: a tensor is never sent whole."""
MAPS_SIDE = 1024
"""Pixels of the longer side of a picture of feature maps, as a page shows it."""


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

    @field_validator("parameters")
    @classmethod
    def _in_order(cls, parameters: dict[str, str]) -> dict[str, str]:
        """By name: a map of protobuf has another order in each process, and the page shows them as they come."""
        return dict(sorted(parameters.items()))


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


class DifferenceView(Body):
    """How a layer's value differs from another, and where."""

    difference: DifferenceBody
    png: Png = Field(description="The channels, row by row: black where equal, white where they differ most")


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
