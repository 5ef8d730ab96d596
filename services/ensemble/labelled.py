"""Labelled pictures on disk: a folder per class, as ImageNet's validation set is kept."""

from collections.abc import Sequence
from pathlib import Path

from services.edge.errors import EmptyBatch, InvalidDeclaration
from services.edge.suggestion import did_you_mean
from services.ensemble.class_mapping import folder_classes
from services.zoo.name_lists import classes_by_name, read_lines
from services.zoo.picture_files import pictures_in


def labelled_pictures(folder: Path, labels: Sequence[str], mapping: Path | None) -> list[tuple[Path, int]]:
    """Pair each picture below `folder` with its class, by the folder it lies in.

    Args:
        labels: the classes' names, in order.
        mapping: a file that gives folders' classes where folders are not called as the labels; see `folder_classes`.
    Raises:
        InvalidDeclaration: a folder stands for no class, or the mapping has a fault.
        EmptyBatch: there are no pictures.
    """
    classes = _read_mapping(mapping, labels) if mapping else classes_by_name(labels)
    pairs = []
    for sub in sorted(each for each in folder.iterdir() if each.is_dir()) if folder.is_dir() else []:
        if sub.name not in classes:
            if not mapping and sub.name in labels:
                raise InvalidDeclaration(
                    f"{sub}: {labels.count(sub.name)} classes are called '{sub.name}'; say which with --labels, in "
                    "lines FOLDER INDEX"
                )
            raise InvalidDeclaration(
                f"{sub}: no class '{sub.name}' in {mapping or 'the labels of the models'}"
                f"{did_you_mean(sub.name, list(classes))}; a file that maps folders to classes goes with --labels"
            )
        pairs += [(picture, classes[sub.name]) for picture in pictures_in(sub)]
    if not pairs:
        raise EmptyBatch(f"{folder}: no folders with pictures; there should be one for each class")
    return pairs


def _read_mapping(path: Path, labels: Sequence[str]) -> dict[str, int]:
    lines = read_lines(path)
    try:
        return folder_classes(lines, labels)
    except InvalidDeclaration as error:
        raise InvalidDeclaration(f"{path}: {error}") from error
