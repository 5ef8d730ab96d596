"""Which class each folder of pictures is, as a user's file says it."""

import re
from collections.abc import Sequence

from services.edge.errors import InvalidDeclaration
from services.edge.suggestion import did_you_mean

_FORMS = "a line is FOLDER INDEX or FOLDER LABEL; or there is a line a class in order with FOLDER alone"


def folder_classes(lines: Sequence[str], labels: Sequence[str]) -> dict[str, int]:
    """Read lines "FOLDER INDEX" or "FOLDER LABEL", or a line for each class in order.

    A label may be one of several names with commas between, as in ImageNet's LOC_synset_mapping.txt. Where the models
    name no classes, what follows the folder in lines in order says nothing. Nothing is guessed: a file is of one of
    these forms from its first line to its last.

    Args:
        lines: of the file; empty ones do not count.
        labels: the K names that the models know, in order; empty where they name none.
    Raises:
        InvalidDeclaration: there are no lines, a folder is named twice, or a line does not say a class; names line and
            word.
    """
    given = [(number, *_folder_and_word(line)) for number, line in enumerate(lines, 1) if line]
    if not given:
        raise InvalidDeclaration("the file is empty")
    words = [word for _, _, word in given]
    if not any(words) or not (labels or any(map(_is_index, words))):
        if labels and len(given) != len(labels):
            raise InvalidDeclaration(f"{len(given)} lines for {len(labels)} classes; {_FORMS}")
        classes = list(range(len(given)))
    else:
        by_index = not any(word in labels for word in words) and any(map(_is_index, words))
        classes = [
            _index(number, word, labels) if by_index else _labelled(number, word, place, labels)
            for place, (number, _, word) in enumerate(given)
        ]
    mapping: dict[str, int] = {}
    for (number, folder, _), index in zip(given, classes, strict=True):
        if folder in mapping:
            raise InvalidDeclaration(f"line {number}: folder '{folder}' is named twice")
        mapping[folder] = index
    return mapping


def _folder_and_word(line: str) -> tuple[str, str]:
    folder, *rest = re.split(r"[ \t]+", line, maxsplit=1)
    return folder, rest[0] if rest else ""


def _is_index(word: str) -> bool:
    return word.isascii() and word.isdecimal()


def _index(number: int, word: str, labels: Sequence[str]) -> int:
    if not _is_index(word):
        raise InvalidDeclaration(f"line {number}: '{word}' is not the index of a class; {_FORMS}")
    if labels and int(word) >= len(labels):
        raise InvalidDeclaration(f"line {number}: class {word}; the models know 0 to {len(labels) - 1}")
    return int(word)


def _labelled(number: int, word: str, place: int, labels: Sequence[str]) -> int:
    """Find the class that a line's words mean: the one at the line's own place, or else the only one."""
    names = {word, *(name.strip() for name in word.split(","))}
    meant = [index for index, label in enumerate(labels) if label in names]
    if not meant:
        raise InvalidDeclaration(f"line {number}: no class '{word}'{did_you_mean(word, labels)}; {_FORMS}")
    if len(meant) > 1 and place not in meant:
        raise InvalidDeclaration(
            f"line {number}: '{word}' may be class {' or '.join(map(str, meant))}; write the index"
        )
    if _is_index(word) and meant != [int(word)]:
        raise InvalidDeclaration(f"line {number}: '{word}' may be an index or a label; name the folders as the labels")
    return place if place in meant else meant[0]
