"""The form of our files in the store: a magic number, then frames with a checksum each, written and read as a stream.

A reader never holds more than one frame and the pieces of the stream that it lies in.
proto/strata/record/v1/record.proto describes the form for other languages.
"""

import struct
from collections import deque
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

from isal.isal_zlib import crc32

from services.edge.errors import DamagedFile, ForeignFile, OtherVersion

Piece: TypeAlias = bytes | memoryview
"""Some bytes of a file; a view of them is not copied."""
Pieces: TypeAlias = AsyncGenerator[Piece, int | None]
"""A file as a stream; its reader may `asend` how many bytes would serve it best as one piece."""
VERSION = 1
MAX_FRAME_BYTES = 2**30
_NAME = b"STRATA"
_HEAD = struct.Struct("<cII")  # kind, size in bytes, CRC-32
_LARGE_BYTES = 2**20
"""A frame of this size is asked for as one piece: to join it from several takes as long as to read it."""


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
    content: Piece


def magic(content: Content) -> bytes:
    """Write the first eight bytes of a file."""
    return _NAME + content.value + bytes([VERSION])


def frame(kind: Kind, content: bytes) -> bytes:
    """Write one frame."""
    return b"".join(frame_pieces(kind, content))


def frame_pieces(kind: Kind, content: Piece) -> tuple[Piece, Piece]:
    """Write one frame as its head and its content, which is not copied."""
    return _HEAD.pack(kind.value, len(content), _checksum(kind.value, content)), content


async def read_frames(pieces: Pieces, content: Content, name: str) -> AsyncIterator[Frame]:
    """Read the frames of a file, a header first and a trailer last.

    Args:
        name: of the file, for errors.
    Raises:
        ForeignFile: another kind of file.  OtherVersion: a version this build does not read.
        DamagedFile: cut short, changed, or something after its end.
    """
    reader = _Reader(content, name)
    while (piece := await _next(pieces, reader.wanted_bytes)) is not None:
        for each in reader.take(piece):
            yield each
    reader.end()


async def _next(pieces: Pieces, wanted_bytes: int | None) -> Piece | None:
    try:
        return await pieces.asend(wanted_bytes)
    except StopAsyncIteration:
        return None


class _Stream:
    """The pieces of a stream that are not read yet: bytes are taken from its front."""

    def __init__(self) -> None:
        self._pieces: deque[memoryview] = deque()
        self.size_bytes = 0

    def put(self, piece: Piece) -> None:
        if len(piece):
            self._pieces.append(memoryview(piece))
            self.size_bytes += len(piece)

    def take(self, size_bytes: int) -> Piece:
        """Take so many bytes, all where there are fewer; they are copied where they lie in several pieces."""
        taken: list[memoryview] = []
        missing = min(size_bytes, self.size_bytes)
        self.size_bytes -= missing
        while missing:
            first = self._pieces.popleft()
            if len(first) > missing:
                self._pieces.appendleft(first[missing:])
            taken.append(first[:missing])
            missing -= len(taken[-1])
        return taken[0] if len(taken) == 1 else b"".join(taken)


class _Reader:
    """Cut a stream into frames. The order is a header, items, a trailer, and nothing else."""

    def __init__(self, content: Content, name: str):
        self._content = content
        self._name = name
        self._pending = _Stream()
        self._begun = False
        self._head: tuple[bytes, int, int] | None = None
        self._last: Kind | None = None

    @property
    def wanted_bytes(self) -> int | None:
        """What to ask for: the rest of a large frame, and the next one's head; None where any piece will do."""
        if self._head is None:
            return None
        missing = self._head[1] - self._pending.size_bytes
        return missing + _HEAD.size if missing >= _LARGE_BYTES else None

    def take(self, piece: Piece) -> Iterator[Frame]:
        self._pending.put(piece)
        if not self._begun:
            if self._pending.size_bytes < len(magic(self._content)):
                return
            self._check_magic(bytes(self._pending.take(len(magic(self._content)))))
            self._begun = True
        while (found := self._next()) is not None:
            yield found

    def end(self) -> None:
        if not self._begun:
            self._check_magic(bytes(self._pending.take(len(magic(self._content)))))
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
            if self._pending.size_bytes:
                raise DamagedFile(f"{self._name}: goes on after its end; write it again")
            return None
        if self._head is None:
            if self._pending.size_bytes < _HEAD.size:
                return None
            self._head = _HEAD.unpack(self._pending.take(_HEAD.size))
        letter, size_bytes, checksum = self._head
        if size_bytes > MAX_FRAME_BYTES:
            raise DamagedFile(f"{self._name}: changed after it was written: a frame of {size_bytes} bytes")
        if self._pending.size_bytes < size_bytes:
            return None
        self._head = None
        content = self._pending.take(size_bytes)
        if checksum != _checksum(letter, content):
            raise DamagedFile(f"{self._name}: changed after it was written: a checksum differs; write it again")
        self._last = self._in_order(letter)
        return Frame(self._last, content)

    def _in_order(self, letter: bytes) -> Kind:
        kind = Kind(letter) if letter in {each.value for each in Kind} else None
        if kind is None or (kind is Kind.HEADER) != (self._last is None):
            raise DamagedFile(f"{self._name}: its parts are not in their order; write it again")
        return kind


def _checksum(kind: bytes, content: Piece) -> int:
    return crc32(content, kind[0])
