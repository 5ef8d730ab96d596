"""Files whose names alone matter."""

from pathlib import Path


def make(folder: Path, *names: str) -> None:
    """Make empty files, with the folders they lie in."""
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
