"""matplotlib, for files alone."""

from typing import Any


def pyplot() -> Any:
    """Import it, which takes a while: only where something is drawn."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    return plt
