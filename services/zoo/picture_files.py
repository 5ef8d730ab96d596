"""Which files are pictures, and where they are found."""

from collections.abc import Iterable
from pathlib import Path

from services.edge.errors import ArtifactNotFound, EmptyBatch

SUFFIXES = (".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif")


def is_picture(path: Path) -> bool:
    """Tell by the name, whatever is in the file."""
    return path.suffix.lower() in SUFFIXES


def find_pictures(places: Iterable[Path]) -> list[Path]:
    """List pictures: files as they are given, folders by their pictures, sorted, at any depth.

    Raises:
        ArtifactNotFound: a place does not exist.
        EmptyBatch: a folder has none.
    """
    found: list[Path] = []
    for place in places:
        if not place.exists():
            raise ArtifactNotFound(f"{place}: no such picture or folder")
        pictures = [place] if place.is_file() else sorted(filter(is_picture, place.rglob("*")))
        if not pictures:
            raise EmptyBatch(f"{place}: no pictures here ({', '.join(SUFFIXES)})")
        found += pictures
    return found
