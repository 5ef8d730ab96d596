"""Figures as a page: where they were measured, the command that makes them again, a table beside the bars, a plot."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.bench.document import meets


@dataclass(frozen=True)
class Group:
    """Bars of one plot: `keys` of the figures, `names` under them."""

    title: str
    unit: str
    keys: Sequence[str]
    names: Sequence[str]


def write_report(
    path: Path,
    title: str,
    command: str,
    figures: Mapping[str, float],
    provenance: Mapping[str, object],
    bars: Mapping[str, str],
    notes: str,
) -> None:
    """Write the page; a plot beside it has the same name with `.png`."""
    versions = provenance["versions"]
    assert isinstance(versions, Mapping)
    lines = [
        f"# {title}",
        "",
        f"Measured on {provenance['machine']}, {provenance['isa']}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".",
        "",
        f"    {command}",
        "",
        f"![{title}]({path.stem}.png)",
        "",
        "| figure | measured | lowest | highest | bar | |",
        "| --- | ---: | ---: | ---: | ---: | --- |",
    ]
    for key, value in figures.items():
        if not key.endswith((".low", ".high")):
            spread = [f"{figures[f'{key}.{end}']:.4g}" if f"{key}.{end}" in figures else "" for end in ("low", "high")]
            verdict = ("met" if meets(value, bars[key]) else "**missed**") if key in bars else ""
            lines.append(f"| `{key}` | {value:.4g} | {' | '.join(spread)} | {bars.get(key, '')} | {verdict} |")
    path.write_text("\n".join([*lines, "", notes.strip(), ""]))


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
