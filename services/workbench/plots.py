"""Errors, differences and fronts as curves, values as histograms: as the bytes of PNG files, and of SVG."""

from collections.abc import Sequence
from io import BytesIO

import matplotlib
from matplotlib.figure import Figure
from torch import Tensor

from quant.comparing import LayerComparison
from quant.crossing import Crossing
from services.workbench.front import Front

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
    return _drawn(figure)


def plot_comparison(title: str, rows: Sequence[LayerComparison]) -> bytes:
    """Of each layer how far its values are apart, and below that the share of its codes that differ."""
    figure = Figure(figsize=(max(8.0, len(rows) * 0.14), 7), layout="constrained")
    upper, lower = figure.subplots(2, sharex=True)
    upper.plot([min(row.sqnr_db, _HIGHEST_DB) for row in rows], marker=".")
    upper.set(title=title, ylabel=f"signal to noise, dB ({_HIGHEST_DB:.0f}: equal)")
    lower.bar(range(len(rows)), [100 * (row.codes_differing or 0.0) for row in rows])
    lower.set(ylabel="codes that differ, %")
    lower.set_xticks(range(len(rows)), [row.layer for row in rows], rotation=90, fontsize=6)
    for axes in (upper, lower):
        axes.grid(alpha=0.3)
    return _drawn(figure)


def plot_histogram(title: str, edges: Tensor, counts: Tensor) -> bytes:
    """One value's histogram, counts on a logarithmic scale."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.stairs(counts.numpy(), edges.numpy(), fill=True)
    axes.set(title=title, xlabel="value", ylabel="elements")
    axes.set_yscale("symlog")
    return _drawn(figure)


def plot_front(title: str, front: Front, form: str = "png") -> bytes:
    """Points lost against milliseconds: a point each plan, a line through those that none beats; PNG or SVG."""
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    best = [point for point in front.points if point.best]
    axes.plot([point.ms for point in best], [point.points_lost for point in best], drawstyle="steps-post", alpha=0.5)
    for point in front.points:
        colour = "tab:red" if point.name == front.chosen else "tab:blue" if point.best else "lightgrey"
        axes.plot(point.ms, point.points_lost, marker="o", color=colour)
        axes.annotate(point.name, (point.ms, point.points_lost), (4, 4), textcoords="offset points", fontsize=8)
    axes.axhline(front.max_drop, linestyle=":", color="grey", label=f"budget, {front.max_drop:g} points")
    axes.set(title=title, xlabel="milliseconds", ylabel=f"points lost ({front.measure})")
    axes.set_yscale("symlog", linthresh=1.0)
    axes.grid(alpha=0.3)
    axes.legend()
    return _drawn(figure, form)


def _drawn(figure: Figure, form: str = "png") -> bytes:
    written = BytesIO()
    figure.savefig(written, dpi=120, format=form)
    return written.getvalue()
