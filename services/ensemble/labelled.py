"""Labelled pictures on disk: a folder per class, as ImageNet's validation set is kept."""

from collections.abc import Sequence
from pathlib import Path

from services.edge.declaration import did_you_mean
from services.edge.errors import EmptyBatch, InvalidDeclaration
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
    classes = read_mapping(mapping) if mapping else {name: index for index, name in enumerate(labels)}
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


def read_mapping(path: Path) -> dict[str, int]:
    """Read which class each folder is: a line a class in order, its first word the folder (as ImageNet's
    LOC_synset_mapping.txt), or lines "FOLDER INDEX".

    Raises:
        InvalidDeclaration: no such file, no lines, or a folder twice.
    """
    try:
        lines = [line.split() for line in path.read_text().splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidDeclaration(f"{path}: {error}") from error
    numbered = all(len(words) == 2 and words[1].isdecimal() for words in lines)
    mapping = {words[0]: int(words[1]) if numbered else index for index, words in enumerate(lines)}
    if not mapping:
        raise InvalidDeclaration(f"{path}: the file is empty")
    if len(mapping) < len(lines):
        raise InvalidDeclaration(f"{path}: a folder is named twice")
    return mapping
