"""Errors as curves, values as histograms: as the bytes of PNG files."""

from collections.abc import Sequence
from io import BytesIO

import matplotlib
from matplotlib.figure import Figure
from torch import Tensor

from quant.crossing import Crossing

matplotlib.use("Agg")
_HIGHEST_DB = 80.0


def plot_crossings(title: str, rows: Sequence[Crossing]) -> bytes:
    """Own, inherited and total error of each layer; no error at all is drawn at 80 dB."""
    figure = Figure(figsize=(max(8.0, len(rows) * 0.14), 5), layout="constrained")
    axes = figure.subplots()
    for name in ("own", "inherited", "total"):
        axes.plot([min(getattr(row, f"{name}_db"), _HIGHEST_DB) for row in rows], marker=".", label=name)
    axes.set(title=title, ylabel=f"signal to noise, dB (higher is better; {_HIGHEST_DB:.0f}: no error)")
    axes.set_xticks(range(len(rows)), [row.layer for row in rows], rotation=90, fontsize=6)
    axes.grid(alpha=0.3)
    axes.legend()
    return _png(figure)


def plot_histogram(title: str, edges: Tensor, counts: Tensor) -> bytes:
    """One value's histogram, counts on a logarithmic scale."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.stairs(counts.numpy(), edges.numpy(), fill=True)
    axes.set(title=title, xlabel="value", ylabel="elements")
    axes.set_yscale("symlog")
    return _png(figure)


def _png(figure: Figure) -> bytes:
    written = BytesIO()
    figure.savefig(written, dpi=120, format="png")
    return written.getvalue()
