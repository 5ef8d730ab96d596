"""A simulated fleet over time, as a plot."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from services.cli.plotting import pyplot


def plot_over_time(path: Path, complete_by_s: Mapping[str, Sequence[float]]) -> None:
    """Draw, for each way to meet lateness, which share of each second's requests all members answered in time."""
    plt = pyplot()
    picture, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
    for name, shares in complete_by_s.items():
        axis.plot(range(len(shares)), shares, label=name, linestyle="--" if name.endswith("kept") else "-")
    axis.set_xlabel("s")
    axis.set_ylabel("share answered in time by all members")
    axis.set_ylim(0.0, 1.02)
    axis.legend(frameon=False, loc="lower right")
    picture.savefig(path, dpi=110)
    plt.close(picture)
