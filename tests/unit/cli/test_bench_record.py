"""The figures of one run: in which order they stand, what a stopped run leaves, what the next one goes on from."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from services.bench.report import Page
from services.cli.bench_record import BenchRecord, FigureOutputs


def bars(_isa: str) -> dict[str, str]:
    return {"speed": ">= 2", "wrong": "<= 0"}


def record(outputs: FigureOutputs) -> BenchRecord:
    return BenchRecord("test", ["numpy"], bars, outputs)


def test_figures_that_are_held_to_a_bar_come_first_in_its_order() -> None:
    begun = record(FigureOutputs(None, None, merge=False))
    begun.extend([{"size": 1.0, "wrong": 0.0}, {"speed": 3.0, "size": 2.0}])
    assert list(begun.figures.items()) == [("speed", 3.0), ("wrong", 0.0), ("size", 2.0)]


def test_a_run_that_is_stopped_keeps_what_it_has_and_the_next_goes_on_from_there(tmp_path: Path) -> None:
    path = tmp_path / "figures.json"

    def stopped() -> Iterator[dict[str, float]]:
        yield {"size": 1.0}
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        record(FigureOutputs(path, None, merge=False)).extend(stopped())
    assert json.loads(path.read_text())["size"] == 1
    assert record(FigureOutputs(path, None, merge=True)).figures == {"size": 1.0}
    assert record(FigureOutputs(path, None, merge=False)).figures == {}


def test_a_finished_run_shows_its_figures_beside_the_bars_and_writes_the_page(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "figures.md"
    begun = record(FigureOutputs(None, path, merge=False))
    begun.add({"speed": 1.5, "size": 4.0})
    begun.finish(lambda figures: Page("Figures", "make bench", f"Of {figures['size']:.0f} pictures."))
    shown = capsys.readouterr()
    assert "strata bench test" in shown.out
    assert "missed" in shown.out
    assert f"wrote {path}" in shown.err.replace("\n", "")
    assert "| `speed` | >= 2 | 1.5 **missed** |" in path.read_text()
    assert "Of 4 pictures." in path.read_text()
