"""What goes over the console's HTTP interface, as JSON; the page's types are generated from it."""

from base64 import b64encode
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self, TypeVar

from google.protobuf.json_format import MessageToDict
from google.protobuf.message import Message
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from services.console.domain import LONGEST_PATH, Link, Run, RunMode, RunOrder, RunState, UserFile

Png = Annotated[str, Field(description="A PNG file in base64")]


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


class AugmentedBody(Body):
    """One of the five pictures that are made of one."""

    name: str
    png: Png


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


def encoded(png: bytes) -> str:
    """A picture as it goes into JSON."""
    return b64encode(png).decode()


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


class RunResultBody(ResultBody):
    """What a run found, and whether that means anything."""

    trained: bool = Field(True, description="False: the weights are random; times are real, answers are not")


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
    result: RunResultBody | None
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
            result=RunResultBody.model_validate_json(run.result) if run.result else None,
            fault=run.fault,
        )


class RunsEvent(Body):
    """Runs as they are now."""

    runs: list[RunBody]


class LinkStart(Body):
    layer: str = Field("", max_length=400, description="Empty is the one that the session stands at")


class LinkBody(Body):
    """What is shared."""

    id: str
    layer: str
    created: datetime

    @classmethod
    def of(cls, link: Link) -> Self:
        return cls(id=link.id, layer=link.layer, created=_time(link.created_s))


class MadeLinkBody(LinkBody):
    address: str = Field(description="Below the console's; given this once, and not kept")


ReplyBody = TypeVar("ReplyBody", bound=ReplyBase)


def body_of(kind: type[ReplyBody], message: Message) -> ReplyBody:
    """The body made of a message of the workbench's."""
    return kind.model_validate(
        MessageToDict(message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
