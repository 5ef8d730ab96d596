"""Labelled pictures on disk: a folder per class, as ImageNet's validation set is kept."""

from collections.abc import Sequence
from pathlib import Path

from services.edge.errors import EmptyBatch, InvalidDeclaration
from services.edge.suggestion import did_you_mean
from services.zoo.picture_files import is_picture


def labelled_pictures(folder: Path, labels: Sequence[str], mapping: Path | None) -> list[tuple[Path, int]]:
    """Pair each picture below `folder` with its class, by the folder it lies in.

    Args:
        labels: the classes' names, in order.
        mapping: a file that gives folders' classes where folders are not called as the labels; see `read_mapping`.
    Raises:
        InvalidDeclaration: a folder stands for no class, or the mapping has a fault.
        EmptyBatch: there are no pictures.
    """
    classes = read_mapping(mapping, labels) if mapping else {name: index for index, name in enumerate(labels)}
    for name, index in classes.items() if labels else ():
        if index >= len(labels):
            raise InvalidDeclaration(f"{mapping}: '{name}' is class {index}; the models know 0 to {len(labels) - 1}")
    pairs = []
    for sub in sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []:
        if sub.name not in classes:
            raise InvalidDeclaration(
                f"{sub}: no class '{sub.name}' in {mapping or 'the labels of the models'}"
                f"{did_you_mean(sub.name, list(classes))}; a file that maps folders to classes goes with --labels"
            )
        pairs += [(picture, classes[sub.name]) for picture in sorted(sub.iterdir()) if is_picture(picture)]
    if not pairs:
        raise EmptyBatch(f"{folder}: no folders with pictures; there should be one for each class")
    return pairs


def read_mapping(path: Path, labels: Sequence[str] = ()) -> dict[str, int]:
    """Read which class each folder is: lines "FOLDER INDEX" or "FOLDER LABEL", or else a line for each class in order,
    its first word the folder (as ImageNet's LOC_synset_mapping.txt).

    Args:
        labels: the K names that the models know; empty where they name none.
    Raises:
        InvalidDeclaration: no such file, no lines, a folder twice, or too few lines in order.
    """
    try:
        lines = [line.split(maxsplit=1) for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"{path}: {error}") from error
    seconds = [words[1].strip() if len(words) == 2 else "" for words in lines]
    named = {label: index for index, label in enumerate(labels)}
    if all(each.isdecimal() for each in seconds):
        classes = [int(each) for each in seconds]
    elif all(each in named for each in seconds):
        classes = [named[each] for each in seconds]
    else:
        classes = list(range(len(lines)))
        if len(lines) < len(labels):
            raise InvalidDeclaration(
                f"{path}: {len(lines)} lines for {len(labels)} classes; give a line for each class in order, or lines "
                "FOLDER INDEX or FOLDER LABEL"
            )
    mapping = {words[0]: index for words, index in zip(lines, classes, strict=True)}
    if not mapping:
        raise InvalidDeclaration(f"{path}: the file is empty")
    if len(mapping) < len(lines):
        raise InvalidDeclaration(f"{path}: a folder is named twice")
    return mapping
