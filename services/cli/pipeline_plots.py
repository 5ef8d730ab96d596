"""Plans and simulations as plots."""

from collections.abc import Sequence
from pathlib import Path

from services.cli.plotting import pyplot
from services.pipeline.planning import Plan
from services.pipeline.simulation import Expectation


def plot_front(path: Path, choices: Sequence[Plan], best: Sequence[Plan], chosen: Plan, currency: str) -> None:
    """Draw every plan by its time and money, the Pareto front as a line, the chosen plan marked."""
    plt = pyplot()
    picture, axis = plt.subplots(figsize=(7, 4.5), layout="constrained")
    axis.plot(*_places(choices), "o", color="#bbbbbb", markersize=4, label="plans")
    axis.plot(*_places(best), "o-", color="#4477aa", label="Pareto front")
    axis.plot(*_places([chosen]), "*", color="#cc3311", markersize=15, label="chosen")
    axis.set_xlabel("s")
    axis.set_ylabel(currency)
    axis.legend(frameon=False)
    picture.savefig(path, dpi=110)
    plt.close(picture)


def plot_workers(path: Path, expected: dict[int, Expectation], title: str, currency: str) -> None:
    """Draw time and money by the number of workers, as figure 5 of Kim and Lee does: money left, time right."""
    plt = pyplot()
    picture, money = plt.subplots(figsize=(7, 4.5), layout="constrained")
    time = money.twinx()
    names = [str(workers) for workers in expected]
    money.plot(names, [each.money for each in expected.values()], "o-", color="#009988")
    time.plot(names, [each.time_s for each in expected.values()], "s-", color="#cc3311")
    money.set_xlabel("workers")
    money.set_ylabel(currency, color="#009988")
    money.set_ylim(bottom=0)
    time.set_ylabel("s", color="#cc3311")
    time.set_ylim(bottom=0)
    money.set_title(title)
    picture.savefig(path, dpi=110)
    plt.close(picture)


def _places(plans: Sequence[Plan]) -> tuple[list[float], list[float]]:
    return [each.expected.time_s for each in plans], [each.expected.money for each in plans]
