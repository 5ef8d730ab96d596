"""Figures 3, 4 and 5 of papers/001 drawn from ours, a column or a row for each network."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from services.bench.pipeline_paper import EFFORTS, seen_by_model
from services.bench.pipeline_prediction import PAPERS_SIZES, PAPERS_WORKERS
from services.bench.pipeline_subject import PAPERS, Figures
from services.bench.pipeline_tables import sizes_of, stages_of
from services.bench.report import Drawing

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_BARS, _TIME, _MONEY = "#4477aa", "#cc3311", "#009988"
_PAPERS_S = {100: 28, 500: 57, 1000: 99}
_PAPERS_GPU_S = (1000, 176)


def figure_3(figures: Mapping[str, float]) -> "Figure | None":
    """Memory as bars and time as a line, by the pictures of a record: a row for each network, a stage a column."""
    shown = _measured(figures, lambda own: bool(stages_of(own, "figure_3.s")))
    if not shown:
        return None
    columns = max(len(stages_of(own, "figure_3.s")) for own in shown.values())
    picture, axes = _panels(len(shown), columns)
    for row, (name, own) in zip(axes, shown.items(), strict=True):
        for axis, stage in zip(row, stages_of(own, "figure_3.s"), strict=False):
            sizes = sizes_of(own, f"figure_3.s.{stage}")
            names = [str(size) for size in sizes]
            axis.bar(names, [own[f"figure_3.mib.{stage}.{size}"] for size in sizes], color=_BARS, width=0.6)
            axis.set_ylabel("MiB", color=_BARS)
            axis.set_xlabel("pictures")
            axis.set_title(f"{name}: {stage}")
            beside = axis.twinx()
            beside.plot(names, [own[f"figure_3.s.{stage}.{size}"] for size in sizes], "o-", color=_TIME)
            beside.set_ylim(bottom=0)
            beside.set_ylabel("s", color=_TIME)
    return picture


def figure_4(figures: Mapping[str, float]) -> "Figure | None":
    """Seconds of 20 records at once, by their pictures, beside one machine; the paper's own values as crosses."""
    shown = _measured(figures, lambda own: f"figure_4.pipeline_s.{PAPERS_SIZES[0]}" in own)
    if not shown:
        return None
    picture, (row,) = _panels(1, len(shown))
    for axis, (name, own) in zip(row, shown.items(), strict=True):
        for kind, label in (("pipeline_s", "20 workers, from zero"), ("machine_s", "this machine")):
            axis.plot(PAPERS_SIZES, [own[f"figure_4.{kind}.{size}"] for size in PAPERS_SIZES], "o-", label=label)
        if name == PAPERS:
            axis.plot(list(_PAPERS_S), list(_PAPERS_S.values()), "x--", color="grey", label="the paper")
            axis.plot(*_PAPERS_GPU_S, "*", color="black", markersize=10, label="the paper's GPU")
        axis.set(title=name, xlabel="pictures a record", ylabel="s", ylim=(0, None))
        axis.legend()
    return picture


def figure_5(figures: Mapping[str, float]) -> "Figure | None":
    """Time and money of 100 000 pictures, by the number of workers."""
    shown = _measured(figures, lambda own: f"figure_5.time_s.{PAPERS_WORKERS[0]}" in own)
    if not shown:
        return None
    picture, (row,) = _panels(1, len(shown))
    for axis, (name, own) in zip(row, shown.items(), strict=True):
        axis.plot(PAPERS_WORKERS, [own[f"figure_5.money.{each}"] for each in PAPERS_WORKERS], "o-", color=_MONEY)
        axis.set(title=name, xlabel="workers", ylim=(0, None))
        axis.set_xscale("log", base=2)
        axis.set_ylabel("USD", color=_MONEY)
        beside = axis.twinx()
        beside.plot(PAPERS_WORKERS, [own[f"figure_5.time_s.{each}"] for each in PAPERS_WORKERS], "o-", color=_TIME)
        beside.set_yscale("log")
        beside.set_ylabel("s", color=_TIME)
    return picture


DRAWINGS: Mapping[str, Drawing] = {"figure-3": figure_3, "figure-4": figure_4, "figure-5": figure_5}


def _measured(figures: Mapping[str, float], known: Callable[[Figures], bool]) -> dict[str, Figures]:
    """The networks of which it is known, each with its own figures."""
    own = {name: seen_by_model(name, dict(figures)) for name in EFFORTS}
    return {name: each for name, each in own.items() if known(each)}


def _panels(rows: int, columns: int) -> "tuple[Figure, list[list[Axes]]]":
    from matplotlib.figure import Figure

    picture = Figure(figsize=(4 * columns, 3 * rows), layout="constrained")
    return picture, picture.subplots(rows, columns, squeeze=False).tolist()
