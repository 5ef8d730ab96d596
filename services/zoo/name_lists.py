"""Lists of names as people write them: a name a line, in UTF-8."""

import codecs
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from services.edge.errors import InvalidDeclaration

_WIDE = {"UTF-32": (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE), "UTF-16": (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)}


def read_names(path: Path) -> tuple[str, ...]:
    """Read the names of a file; lines without one do not count.

    Raises:
        InvalidDeclaration: as `read_lines`, or there are no names.
    """
    names = tuple(line for line in read_lines(path) if line)
    if not names:
        raise InvalidDeclaration(f"{path}: the file is empty")
    return names


def read_lines(path: Path) -> list[str]:
    """Read the lines of a file, without the blanks around each. Byte order marks, which files put together leave at the
    beginnings of lines too, do not count.

    Only a line feed, a carriage return or both end a line: a name may hold what else Unicode calls a line's end.

    Raises:
        InvalidDeclaration: the file cannot be read, or is not UTF-8; names it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InvalidDeclaration(f"{path}: {error.strerror or error}") from error
    try:
        return decode_lines(data)
    except ValueError as error:
        raise InvalidDeclaration(f"{path}: {error}; save it as UTF-8, a name a line") from error


def decode_lines(data: bytes) -> list[str]:
    """The lines of a file's bytes; see `read_lines`.

    Raises:
        ValueError: not UTF-8.
    """
    for encoding, marks in _WIDE.items():
        if data.startswith(marks):
            raise ValueError(f"the text is {encoding}")
    if (place := data.find(0)) >= 0:
        raise ValueError(f"byte {place} is zero: the text is UTF-16, or not text")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {error.start} is not UTF-8") from error
    return [line.strip(" \t\ufeff") for line in re.split(r"\r\n|\n|\r", text)]


def classes_by_name(labels: Sequence[str]) -> dict[str, int]:
    """Which class each name means; a name that several classes have means none."""
    counts = Counter(labels)
    return {name: index for index, name in enumerate(labels) if counts[name] == 1}
