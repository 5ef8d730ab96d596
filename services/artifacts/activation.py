"""Activations: what a stage computed of a record, micro-batch by micro-batch."""

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from google.protobuf.message import DecodeError
from numpy.typing import NDArray

from services.artifacts.frames import Content, Frame, Kind, frame, magic, read_frames
from services.contracts.strata.stage.v1 import activation_pb2 as pb
from services.edge.errors import DamagedFile
from services.edge.receipt_messages import line_of_message, line_to_message
from services.edge.receipts import ReceiptLine

Values: TypeAlias = NDArray[np.float32]
_DTYPE = np.dtype("<f4")


@dataclass(frozen=True)
class Header:
    """What computed the values, and one picture's shape, without the batch axis."""

    chain: str
    stage: int
    shape: tuple[int, ...]


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
    message = pb.ActivationHeader(chain=header.chain, stage=header.stage, shape=header.shape)
    return magic(Content.ACTIVATION) + frame(Kind.HEADER, message.SerializeToString())


def write_values(values: Values) -> bytes:
    """Write one micro-batch, [N, ...]."""
    return frame(Kind.ITEM, np.ascontiguousarray(values, _DTYPE).tobytes())


def write_outcome(outcome: StageOutcome) -> bytes:
    """Write the end of an activation."""
    message = pb.ActivationTrailer(
        pictures=[pb.PictureState(name=each.name, error=each.error) for each in outcome.pictures],
        line=line_to_message(outcome.line),
        peak_bytes=outcome.peak_bytes,
        cold=outcome.cold,
    )
    return frame(Kind.TRAILER, message.SerializeToString())


async def read_activation(pieces: AsyncIterator[bytes], name: str) -> AsyncIterator[Header | Values | StageOutcome]:
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
        begun = pb.ActivationHeader.FromString(each.content)
        return Header(begun.chain, begun.stage, tuple(begun.shape))
    if each.kind is Kind.TRAILER:
        ended = pb.ActivationTrailer.FromString(each.content)
        pictures = tuple(PictureState(picture.name, picture.error) for picture in ended.pictures)
        return StageOutcome(pictures, line_of_message(ended.line), ended.peak_bytes, ended.cold)
    return np.frombuffer(each.content, _DTYPE).reshape(-1, *header.shape)
