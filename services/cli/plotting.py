"""matplotlib, for files alone."""

from pathlib import Path
from typing import Any

from services.edge.errors import InvalidInput
from services.edge.whole_files import check_writable


def check_drawing(path: Path) -> None:
    """Raises InvalidInput where a drawing of that name cannot be written: before the work that it would show."""
    check_writable(path)
    if path.suffix not in (".png", ".svg"):
        raise InvalidInput(f"{path}: expected a name that ends in .png or .svg for a drawing")


def pyplot() -> Any:
    """Import it, which takes a while: only where something is drawn."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt
