"""Records: files of up to 1000 pictures."""

from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass

from google.protobuf.message import DecodeError

from services.artifacts.frames import Content, Kind, Pieces, frame, magic, read_frames
from services.contracts.strata.record.v1 import record_pb2 as pb
from services.edge.errors import BatchTooLarge, DamagedFile, EmptyBatch, InvalidInput

MAX_PICTURES = 1000
"""As many as papers/001 could give one function."""

SUFFIX = ".record"


@dataclass(frozen=True)
class Picture:
    """One encoded picture; `name` is unique within its record."""

    name: str
    content: bytes


def check_pictures(names: Sequence[str]) -> None:
    """Refuse what makes no record.

    Raises:
        EmptyBatch, BatchTooLarge: none, or more than `MAX_PICTURES`.
        InvalidInput: a name that is empty or there twice.
    """
    if not names:
        raise EmptyBatch("a record has at least one picture")
    if len(names) > MAX_PICTURES:
        raise BatchTooLarge(f"{len(names)} pictures in one record; at most {MAX_PICTURES}")
    seen: set[str] = set()
    for name in names:
        if not name:
            raise InvalidInput("a picture of a record needs a name")
        if name in seen:
            raise InvalidInput(f"picture '{name}' is in the record twice")
        seen.add(name)


def write_record(pictures: Iterator[Picture], count: int) -> Iterator[bytes]:
    """Write a record of `count` pictures piece by piece, a picture at a time in memory."""
    yield magic(Content.RECORD) + frame(Kind.HEADER, pb.RecordHeader(pictures=count).SerializeToString())
    for picture in pictures:
        yield frame(Kind.ITEM, pb.Picture(name=picture.name, content=picture.content).SerializeToString())
    yield frame(Kind.TRAILER, pb.RecordTrailer(pictures=count).SerializeToString())


async def read_record(pieces: Pieces, name: str) -> AsyncIterator[Picture]:
    """Read a record's pictures one after the other.

    Raises:
        ForeignFile, OtherVersion, DamagedFile: as `read_frames`; also where pictures are missing.
    """
    found = 0
    expected = None
    try:
        async for each in read_frames(pieces, Content.RECORD, name):
            if each.kind is Kind.HEADER:
                expected = pb.RecordHeader.FromString(bytes(each.content)).pictures
            elif each.kind is Kind.ITEM:
                found += 1
                message = pb.Picture.FromString(bytes(each.content))
                yield Picture(message.name, message.content)
    except DecodeError as error:
        raise DamagedFile(f"{name}: picture {found} is not what a record holds; write it again") from error
    if found != expected:
        raise DamagedFile(f"{name}: {found} pictures, its header announces {expected}; write it again")
