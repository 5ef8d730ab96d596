"""Which files are pictures, where they are found, and how they are read."""

from collections.abc import Iterable
from pathlib import Path

from services.edge.errors import ArtifactNotFound, EmptyBatch, InvalidInput, PictureTooLarge

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")

MAX_FILE_BYTES = 64 * 2**20
"""Of one encoded picture: more would be a picture that no decoder here takes, or no end of bytes from a pipe."""


def is_picture(path: Path) -> bool:
    """Tell by the name, whatever is in the file. A hidden file is not a picture: other systems leave them beside."""
    return path.suffix.lower() in SUFFIXES and not path.name.startswith(".")


def pictures_in(folder: Path, deep: bool = False) -> list[Path]:
    """List the regular files of a folder that are pictures, sorted; `deep` is at any depth.

    A pipe or a device in it is not taken, whatever it is called: reading one may never end.
    """
    found = folder.rglob("*") if deep else folder.iterdir()
    return sorted(path for path in found if is_picture(path) and path.is_file())


def find_pictures(places: Iterable[Path], deep: bool = True) -> list[Path]:
    """List pictures: files as they are given, and pipes; folders by their pictures, sorted, at any depth.

    Args:
        deep: without it a folder means its own pictures; those in folders below only where it has none of its own, as
            where each class has a folder.
    Raises:
        ArtifactNotFound: a place does not exist.
        InvalidInput: it is neither a file, nor a pipe, nor a folder.
        EmptyBatch: a folder has none.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise ArtifactNotFound(f"{place}: no such picture or folder")
        if place.is_dir():
            pictures = ([] if deep else pictures_in(place)) or pictures_in(place, deep=True)
            if not pictures:
                raise EmptyBatch(f"{place}: no pictures here ({', '.join(SUFFIXES)})")
            found += pictures
        elif place.is_file() or place.is_fifo():
            found.append(place)
        else:
            raise InvalidInput(f"{place}: neither a file nor a folder of pictures")
    return found


def read_picture_file(path: Path) -> bytes:
    """Read an encoded picture, from a pipe too.

    Raises:
        OSError: it cannot be read.
        PictureTooLarge: over `MAX_FILE_BYTES`; no more than that is read.
    """
    with path.open("rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise PictureTooLarge(f"{path}: more than {MAX_FILE_BYTES} bytes, the limit of an encoded picture")
    return data
