"""What goes over HTTP about long work on a session: how it is asked for, and its events."""

from typing import Annotated

from pydantic import Field

from services.console.http_bodies import Body, ModeName, PrecisionName, ReplyBase
from services.console.session_bodies import QParamsBody

MOST_PICTURES = 512
"""In one calibration or report."""


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


class ModeRowBody(ReplyBase):
    """A whole model in one mode."""

    mode: ModeName
    latency_ms: float
    accuracy: float | None = Field(None, description="Of a classifier whose pictures' classes are known")
    agreement: float = Field(description="Share of answers that are float's too, 0 to 1")


class LayerRowBody(ReplyBase):
    """What a layer takes, and loses."""

    layer: str
    precision: PrecisionName
    float32_ms: float
    bfloat16_ms: float | None = None
    int8_ms: float
    own_db: float
    total_db: float


class RemedyBody(ReplyBase):
    """What would help a layer."""

    layer: str
    action: str
    before_db: float
    after_db: float
    model_before_db: float
    model_after_db: float
    offered: bool = Field(description="It was measured to help the whole model; else the action says why there is none")


class MeasuredBody(ReplyBase):
    """What integers cost and save."""

    isa: str
    threads: int
    pictures: int
    modes: list[ModeRowBody]
    layers: list[LayerRowBody]
    remedies: list[RemedyBody]


class CandidateBody(ReplyBase):
    """What one algorithm does to a value, or to a layer's weights."""

    algorithm: str
    scale: float
    zero_point: int
    clipped_fraction: float
    sqnr_db: float = Field(description="Of the elements, coded and decoded; 200 is exact")
    cosine: float
    kl_nats: float
    output_sqnr_db: float = Field(description="Of the layer's output")


class ChoiceBody(ReplyBase):
    """The algorithms tried on one value or one layer's weights, the one taken, and why."""

    name: str
    algorithm: str
    reason: str
    candidates: list[CandidateBody]


class CalibratedBody(ReplyBase):
    """What calibrating found."""

    values: list[ChoiceBody]
    weights: list[ChoiceBody]
    auto: str = Field(description="How the plan of auto was chosen; empty where it was not measured")
    isa: str
    threads: int


class SideBody(ReplyBase):
    """A layer in one of two variants."""

    precision: PrecisionName
    qparams: QParamsBody | None = None
    weight_scale: float | None = Field(None, description="Of its integer weights, the mean over the channels")


class ComparedLayerBody(ReplyBase):
    """A layer in two variants."""

    layer: str
    first: SideBody
    second: SideBody
    weight_codes_differing: float | None = Field(None, description="Share of the integer weights, 0 to 1")
    codes_differing: float | None = Field(None, description="Share of the value's codes, 0 to 1")
    largest: int | None = Field(None, description="The largest difference of two codes")
    sqnr_db: float = Field(description="The second's value against the first's; 200 is exact")


class ComparedBody(ReplyBase):
    """Two variants of a network."""

    layers: list[ComparedLayerBody]
    agreement: float = Field(description="Share of the answers that are the same, 0 to 1")
    points_lost: float = Field(description="Of the first's answers those that the second lost, by margin, 0 to 100")


class WorkEvent(Body):
    """One event of long work; the last one has `is_last`, and a fault where the work failed."""

    progress: ProgressBody | None = None
    fault: str = ""
    is_last: bool = False


class DiagnosisBody(Body):
    """Which layers lose what integers lose, and what to do."""

    words: str
    shares: dict[str, float] = Field(description="By layer, of the noise that layers add themselves; 0 to 1")
    worst: str = Field(description="The layer to look at first; empty where everything is exact")


class CrossEvent(WorkEvent):
    crossing: CrossingBody | None = None
    diagnosis: DiagnosisBody | None = Field(None, description="With the last event")


class ReportEvent(WorkEvent):
    measured: MeasuredBody | None = None


class CompareEvent(WorkEvent):
    compared: ComparedBody | None = None


class CalibrateEvent(WorkEvent):
    calibrated: CalibratedBody | None = None


PictureIds = Annotated[list[Annotated[str, Field(max_length=64)]], Field(max_length=MOST_PICTURES)]


class ReportStart(Body):
    """What to measure on."""

    pictures: PictureIds = Field([], description="Ids of files; none takes the run's own picture")


class ComparisonStart(Body):
    """With what to compare, and on what."""

    other: str = Field(max_length=64, description="The id of a run whose model has the same layers")
    pictures: PictureIds = Field([], description="Ids of files; none takes the first run's own picture")


class CalibrationStart(Body):
    """How to calibrate."""

    pictures: PictureIds = Field(min_length=1, description="Ids of files")
    algorithm: str = Field("best", max_length=40, description="best, or one by name")
    per_tensor: bool = Field(False, description="One scale for all of a layer's weights")
    augment: bool = Field(False, description="Five pictures of each")
    auto: bool = Field(False, description="Measure the plan of auto too")
    discard_edits: bool = Field(False, description="The session begins anew; without this it is refused where edited")
