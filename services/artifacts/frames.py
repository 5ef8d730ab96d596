"""The form of our files in the store: a magic number, then frames with a checksum each, written and read as a stream.

A reader never holds more than one frame and one piece of the stream. proto/strata/record/v1/record.proto describes the
form for other languages.
"""

import struct
import zlib
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from enum import Enum

from services.edge.errors import DamagedFile, ForeignFile, OtherVersion

VERSION = 1
MAX_FRAME_BYTES = 2**30
_NAME = b"STRATA"
_HEAD = struct.Struct("<cII")  # kind, size in bytes, CRC-32


class Content(Enum):
    """What a file is; the letter stands in its magic number."""

    RECORD = b"R"
    ACTIVATION = b"A"


class Kind(Enum):
    """What a frame is: a file has one header, any number of items, one trailer."""

    HEADER = b"H"
    ITEM = b"I"
    TRAILER = b"T"


@dataclass(frozen=True)
class Frame:
    """One frame."""

    kind: Kind
    content: bytes


def magic(content: Content) -> bytes:
    """Write the first eight bytes of a file."""
    return _NAME + content.value + bytes([VERSION])


def frame(kind: Kind, content: bytes) -> bytes:
    """Write one frame."""
    return _HEAD.pack(kind.value, len(content), _checksum(kind.value, content)) + content


async def read_frames(pieces: AsyncIterator[bytes], content: Content, name: str) -> AsyncIterator[Frame]:
    """Read the frames of a file, a header first and a trailer last.

    Args:
        name: of the file, for errors.
    Raises:
        ForeignFile: another kind of file.  OtherVersion: a version this build does not read.
        DamagedFile: cut short, changed, or something after its end.
    """
    reader = _Reader(content, name)
    async for piece in pieces:
        for each in reader.take(piece):
            yield each
    reader.end()


class _Reader:
    """Cut a stream into frames. The order is a header, items, a trailer, and nothing else."""

    def __init__(self, content: Content, name: str):
        self._content = content
        self._name = name
        self._pending = bytearray()
        self._begun = False
        self._last: Kind | None = None

    def take(self, piece: bytes) -> Iterator[Frame]:
        self._pending += piece
        if not self._begun:
            if len(self._pending) < len(magic(self._content)):
                return
            self._check_magic(bytes(self._pending[:8]))
            del self._pending[:8]
            self._begun = True
        while (found := self._next()) is not None:
            yield found

    def end(self) -> None:
        if not self._begun:
            self._check_magic(bytes(self._pending))
        if self._last is not Kind.TRAILER:
            raise DamagedFile(f"{self._name}: cut short; write it again")

    def _check_magic(self, start: bytes) -> None:
        expected = magic(self._content)
        if start[: len(_NAME) + 1] != expected[: len(_NAME) + 1]:
            if expected.startswith(start) and start:
                raise DamagedFile(f"{self._name}: cut short after {len(start)} bytes; write it again")
            kind = self._content.name.lower()
            raise ForeignFile(f"{self._name}: not a {kind}: it begins with {start[:8].hex(' ') or 'nothing'}")
        if len(start) < len(expected):
            raise DamagedFile(f"{self._name}: cut short after {len(start)} bytes; write it again")
        if start != expected:
            raise OtherVersion(f"{self._name}: of version {start[-1]}; this build reads version {VERSION}")

    def _next(self) -> Frame | None:
        if self._last is Kind.TRAILER:
            if self._pending:
                raise DamagedFile(f"{self._name}: goes on after its end; write it again")
            return None
        if len(self._pending) < _HEAD.size:
            return None
        letter, size_bytes, checksum = _HEAD.unpack_from(self._pending)
        if size_bytes > MAX_FRAME_BYTES:
            raise DamagedFile(f"{self._name}: changed after it was written: a frame of {size_bytes} bytes")
        end = _HEAD.size + size_bytes
        if len(self._pending) < end:
            return None
        with memoryview(self._pending) as pending:
            content = bytes(pending[_HEAD.size : end])
        del self._pending[:end]
        if checksum != _checksum(letter, content):
            raise DamagedFile(f"{self._name}: changed after it was written: a checksum differs; write it again")
        self._last = self._in_order(letter)
        return Frame(self._last, content)

    def _in_order(self, letter: bytes) -> Kind:
        kind = Kind(letter) if letter in {each.value for each in Kind} else None
        if kind is None or (kind is Kind.HEADER) != (self._last is None):
            raise DamagedFile(f"{self._name}: its parts are not in their order; write it again")
        return kind


def _checksum(kind: bytes, content: bytes) -> int:
    return zlib.crc32(content, kind[0])
