"""Figures as pages: where they were measured, the command that makes them again, a table beside the bars, a plot.

A page has the newest run of each instruction set; the page of history beside it has every run, a line for each figure.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from services.bench.document import meets
from services.bench.history import BenchRun, newest_of_each_isa
from services.edge.whole_files import write_whole

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Drawing: TypeAlias = "Callable[[Mapping[str, float]], Figure | None]"
"""Draws figures; None where what it shows was not measured."""
Bars = Callable[[str], Mapping[str, str]]
"""An instruction set -> what figures are held to on it, text such as "<= 3", by key."""


@dataclass(frozen=True)
class Group:
    """Bars of one plot: `keys` of the figures, `names` under them."""

    title: str
    unit: str
    keys: Sequence[str]
    names: Sequence[str]


@dataclass(frozen=True)
class Page:
    """What a report says beside the figures: its heading, the command that measures, how it was measured, and plots.

    Attributes:
        notes: Markdown, which shows a drawing NAME as `![...](NAME.png)`.
        drawings: what is drawn beside the page, as `PAGE.NAME.png`.
        tabulated: what the keys begin with that the notes lay out, and that the first table therefore leaves out.
    """

    title: str
    command: str
    notes: str
    plots: Sequence[Group] = ()
    drawings: Mapping[str, Drawing] = field(default_factory=dict)
    tabulated: tuple[str, ...] = ()


def history_of(path: Path) -> Path:
    """The page of history beside a page."""
    return path.with_suffix(".history.md")


def write_report(path: Path, page: Page, runs: Sequence[BenchRun], bars: Bars) -> None:
    """Write the page, and that of history; a plot beside it has the same name with `.png`.

    Args:
        runs: newest first; at least one.
    """
    history = history_of(path)
    write_whole(
        {
            path: "\n".join(_page(path, page, newest_of_each_isa(runs), bars)).encode(),
            history: "\n".join(_history(path, page, runs, bars)).encode(),
        }
    )


def _page(path: Path, page: Page, runs: Sequence[BenchRun], bars: Bars) -> list[str]:
    shown = [key for key in _keys(runs) if not key.startswith(page.tabulated)]
    notes = page.notes.strip()
    for name in page.drawings:
        notes = notes.replace(f"]({name}.png)", f"]({_drawn(path, name).name})")
    return [
        f"# {page.title}",
        "",
        *(line for run in runs for line in _provenance(run)),
        f"    {page.command}",
        "",
        *([f"![{page.title}]({path.stem}.png)", ""] if page.plots else []),
        f"The newest run of each instruction set; [all runs]({history_of(path).name}).",
        "",
        *_table(["figure", "bar", *(run.name for run in runs)], shown, runs, bars),
        "",
        notes,
        "",
    ]


def _history(path: Path, page: Page, runs: Sequence[BenchRun], bars: Bars) -> list[str]:
    held = [key for key in _keys(runs) if any(key in bars(run.isa) for run in runs)]
    return [
        f"# {page.title}, run by run",
        "",
        f"The figures that are held to a bar, newest run first; [the newest with all their figures]({path.name}).",
        "",
        *_table(["figure", "bar", *(run.name for run in runs)], held, runs, bars),
        "",
    ]


def _provenance(run: BenchRun) -> list[str]:
    versions = ", ".join(f"{name} {version}" for name, version in run.versions.items())
    said = [f"**{run.name}**: {run.machine}; {versions}.", ""]
    return [*said, run.remark, ""] if run.remark else said


def _keys(runs: Sequence[BenchRun]) -> list[str]:
    """The figures of the runs, in the order of the newest that has them, without the ends of their spreads."""
    keys = dict.fromkeys(key for run in runs for key in run.figures)
    return [key for key in keys if not key.endswith((".low", ".high"))]


def _table(headings: Sequence[str], keys: Sequence[str], runs: Sequence[BenchRun], bars: Bars) -> list[str]:
    lines = [f"| {' | '.join(headings)} |", f"| --- | ---: {'| ---: ' * len(runs)}|"]
    for key in keys:
        held = [bars(run.isa).get(key, "") for run in runs]
        shared = held[0] if len(set(held)) == 1 else "by instructions"
        cells = [_cell(run.figures, key, bar, shown=shared != bar) for run, bar in zip(runs, held, strict=True)]
        lines.append(f"| `{key}` | {shared} | {' | '.join(cells)} |")
    return lines


def _cell(figures: Mapping[str, float], key: str, bar: str, shown: bool) -> str:
    """One figure with its spread, and how it stands to its bar; the bar itself where the line does not show it."""
    if key not in figures:
        return ""
    value, low, high = (figures.get(name) for name in (key, f"{key}.low", f"{key}.high"))
    assert value is not None
    spread = f" ({low:.4g} to {high:.4g})" if low is not None and high is not None else ""
    verdict = (" met" if meets(value, bar) else " **missed**") if bar else ""
    return f"{value:.4g}{spread}{verdict}{f' {bar}' if bar and shown else ''}"


def yes_or_no(figure: float | None) -> str:
    """Say in a cell whether something works: 1 or another number, None where it was not measured."""
    return "not measured" if figure is None else "yes" if figure == 1 else "no"


def plot(path: Path, figures: Mapping[str, float], groups: Sequence[Group]) -> None:
    """Draw one bar chart per group, side by side; a group whose figures were not measured is left out."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    shown = [group for group in groups if all(key in figures for key in group.keys)]
    if not shown:
        return
    picture, axes = plt.subplots(1, len(shown), figsize=(5 * len(shown), 4), squeeze=False, layout="constrained")
    for axis, group in zip(axes[0], shown, strict=True):
        values = [figures[key] for key in group.keys]
        ends = [
            [max(0.0, value - figures.get(f"{key}.low", value)) for key, value in zip(group.keys, values, strict=True)]
        ]
        ends += [
            [max(0.0, figures.get(f"{key}.high", value) - value) for key, value in zip(group.keys, values, strict=True)]
        ]
        drawn = axis.bar(group.names, values, yerr=ends, capsize=3, color="#4477aa")
        axis.bar_label(drawn, fmt="%.3g", padding=3)
        axis.set_title(group.title)
        axis.set_ylabel(group.unit)
        axis.tick_params(axis="x", rotation=20)
        axis.spines[["top", "right"]].set_visible(False)
    picture.savefig(path, dpi=110)
    plt.close(picture)


def draw(path: Path, figures: Mapping[str, float], drawings: Mapping[str, Drawing]) -> None:
    """Write each drawing whose figures were measured beside the page, as `PAGE.NAME.png`."""
    for name, drawing in drawings.items():
        if picture := drawing(figures):
            picture.savefig(_drawn(path, name), dpi=80)


def _drawn(path: Path, name: str) -> Path:
    return path.with_suffix(f".{name}.png")
