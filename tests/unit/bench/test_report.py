"""Pages of figures: the newest run of each instruction set, and every run as a column of the history."""

import re
from dataclasses import replace
from pathlib import Path

from matplotlib.figure import Figure

from services.bench.history import BenchRun, keep, newest_of_each_isa, read_runs, runs_of
from services.bench.report import Page, draw, history_of, write_report

PAGE = Page("Figures", "make bench", "How it was measured.")


def run(date: str, isa: str, remark: str = "", /, **figures: float) -> BenchRun:
    return BenchRun(date, "a machine", isa, {"strata": "0.2.0"}, figures, remark)


def bars(isa: str) -> dict[str, str]:
    return {"speed": ">= 5" if isa == "AMX" else ">= 3", "wrong": "<= 0"}


def rows(page: Path) -> dict[str, str]:
    return dict(re.findall(r"^\| `(\S+)` \| (.*) \|$", page.read_text(), flags=re.M))


def test_a_page_has_the_newest_run_of_each_instruction_set_newest_first(tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    old, vnni = run("2026-01-01", "AMX", speed=9, wrong=0), run("2026-01-02", "VNNI", speed=2.5, wrong=0)
    new = run("2026-01-03", "AMX", "Alone on the machine.", speed=6, wrong=0, size=7)
    write_report(page, PAGE, [new, vnni, old], bars)
    assert "| figure | bar | 2026-01-03 0.2.0 AMX | 2026-01-02 0.2.0 VNNI |" in page.read_text()
    assert rows(page) == {
        "speed": "by instructions | 6 met >= 5 | 2.5 **missed** >= 3",
        "wrong": "<= 0 | 0 met | 0 met",
        "size": " | 7 | ",
    }
    assert "Alone on the machine." in page.read_text()


def test_the_history_has_a_line_a_figure_that_is_held_and_a_column_a_run(tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    runs = [run("2026-01-02", "AMX", speed=6, wrong=0, size=7), run("2026-01-01", "AMX", speed=4)]
    write_report(page, PAGE, runs, bars)
    assert rows(history_of(page)) == {"speed": ">= 5 | 6 met | 4 **missed**", "wrong": "<= 0 | 0 met | "}


def test_a_spread_stands_beside_its_figure(tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    write_report(page, PAGE, [run("2026-01-01", "AMX", speed=6, **{"speed.low": 5.5, "speed.high": 7})], bars)
    assert rows(page) == {"speed": ">= 5 | 6 (5.5 to 7) met"}


def test_runs_are_kept_newest_first_and_a_run_that_continues_takes_the_place_of_its_begin(tmp_path: Path) -> None:
    path = runs_of(tmp_path / "figures.md")
    first, other, begun, whole = (
        run("2026-01-01", "AMX", speed=1),
        run("2026-01-02", "VNNI", speed=2),
        run("2026-01-03", "AMX", speed=3),
        run("2026-01-04", "AMX", speed=3, wrong=0),
    )
    for each in (first, other, begun):
        keep(path, each, continues=False)
    assert keep(path, whole, continues=True) == read_runs(path) == [whole, other, first]
    assert newest_of_each_isa(read_runs(path)) == [whole, other]


def test_a_run_of_another_version_takes_no_place(tmp_path: Path) -> None:
    path = runs_of(tmp_path / "figures.md")
    earlier = replace(run("2026-01-01", "AMX", speed=1), versions={"strata": "0.1.0"})
    keep(path, earlier, continues=False)
    later = run("2026-01-02", "AMX", speed=2)
    assert keep(path, later, continues=True) == [later, earlier]


def test_notes_show_drawings_and_have_tables_of_their_own(tmp_path: Path) -> None:
    page = tmp_path / "figures.md"
    notes = Page("Figures", "make bench", "![F](shape.png)", drawings={"shape": lambda _: Figure()}, tabulated=("at.",))
    write_report(page, notes, [run("2026-01-01", "AMX", speed=6, **{"at.10": 3})], bars)
    assert list(rows(page)) == ["speed"]
    assert "![F](figures.shape.png)" in page.read_text()
    draw(page, {"speed": 6}, {**notes.drawings, "not-measured": lambda _: None})
    assert [each.name for each in tmp_path.glob("*.png")] == ["figures.shape.png"]
