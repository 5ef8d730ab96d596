"""Activations: what a stage computed of a record, micro-batch by micro-batch."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from services.artifacts.frames import Content, Frame, Kind, Piece, Pieces, frame, frame_pieces, magic, read_frames
from services.artifacts.precision import Encoding, Values, decode, encode
from services.contracts.strata.stage.v1 import activation_pb2 as pb
from services.edge.errors import DamagedFile
from services.edge.receipt_messages import line_of_message, line_to_message
from services.edge.receipts import ReceiptLine

_PRECISIONS = {
    Encoding.FLOAT32: pb.PRECISION_UNSPECIFIED,
    Encoding.FLOAT16: pb.PRECISION_FLOAT16,
    Encoding.INT8: pb.PRECISION_INT8,
}
_FROM_MESSAGE = {message: precision for precision, message in _PRECISIONS.items()}


@dataclass(frozen=True)
class Header:
    """What computed the values, one picture's shape, without the batch axis, and how the values are written."""

    chain: str
    stage: int
    shape: tuple[int, ...]
    precision: Encoding = Encoding.FLOAT32


@dataclass(frozen=True)
class PictureState:
    """A picture of the record; `error` says why it has no values, and is empty where it has."""

    name: str
    error: str = ""


@dataclass(frozen=True)
class StageOutcome:
    """How a stage's computation of a record ended.

    Attributes:
        pictures: every picture of the record, in its order.
        line: what it took, without money.
        peak_bytes: the most memory the process had held by then.
        cold: it was the process's first.
    """

    pictures: tuple[PictureState, ...]
    line: ReceiptLine
    peak_bytes: int
    cold: bool


def write_header(header: Header) -> bytes:
    """Write the start of an activation."""
    message = pb.ActivationHeader(
        chain=header.chain,
        stage=header.stage,
        shape=header.shape,
        precision=precision_to_message(header.precision),
    )
    return magic(Content.ACTIVATION) + frame(Kind.HEADER, message.SerializeToString())


def write_values(values: Values, precision: Encoding = Encoding.FLOAT32) -> tuple[Piece, ...]:
    """Write one micro-batch, [N, ...], as pieces, its values not copied. Raises Unsupported: `encode`."""
    return frame_pieces(Kind.ITEM, encode(values, precision))


def write_outcome(outcome: StageOutcome) -> bytes:
    """Write the end of an activation."""
    message = pb.ActivationTrailer(
        pictures=[pb.PictureState(name=each.name, error=each.error) for each in outcome.pictures],
        line=line_to_message(outcome.line),
        peak_bytes=outcome.peak_bytes,
        cold=outcome.cold,
    )
    return frame(Kind.TRAILER, message.SerializeToString())


async def read_activation(pieces: Pieces, name: str) -> AsyncIterator[Header | Values | StageOutcome]:
    """Read an activation: its header, its micro-batches [N, ...], its outcome.

    Raises:
        ForeignFile, OtherVersion, DamagedFile: as `read_frames`; also where values are missing.
    """
    header = Header("", 0, ())
    count = 0
    async for each in read_frames(pieces, Content.ACTIVATION, name):
        try:
            part = _parse(each, header)
        except (DecodeError, ValueError) as error:
            raise DamagedFile(f"{name}: not what an activation holds: {error}; remove it") from error
        if isinstance(part, Header):
            header = part
        elif isinstance(part, StageOutcome):
            expected = sum(not picture.error for picture in part.pictures)
            if count != expected:
                raise DamagedFile(f"{name}: values of {count} pictures, its trailer has {expected}; remove it")
        else:
            count += len(part)
        yield part


def _parse(each: Frame, header: Header) -> Header | Values | StageOutcome:
    if each.kind is Kind.HEADER:
        begun = pb.ActivationHeader.FromString(bytes(each.content))
        return Header(begun.chain, begun.stage, tuple(begun.shape), precision_of_message(begun.precision))
    if each.kind is Kind.TRAILER:
        ended = pb.ActivationTrailer.FromString(bytes(each.content))
        pictures = tuple(PictureState(picture.name, picture.error) for picture in ended.pictures)
        return StageOutcome(pictures, line_of_message(ended.line), ended.peak_bytes, ended.cold)
    return decode(each.content, header.shape, header.precision)


def precision_to_message(precision: Encoding) -> "pb.Precision.ValueType":
    """Write a precision."""
    return _PRECISIONS[precision]


def precision_of_message(message: "pb.Precision.ValueType") -> Encoding:
    """Read a precision. Raises ValueError: one that this build does not know."""
    if message not in _FROM_MESSAGE:
        raise ValueError(f"precision {message} is none that this build knows")
    return _FROM_MESSAGE[message]
