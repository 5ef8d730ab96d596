"""The page of runs side by side, and the page's own way to draw boxes beside it."""

import re
from datetime import UTC, datetime
from pathlib import Path

from services.console.comparison_page import ComparedRun, comparison_page
from services.console.domain import RunMode, RunState
from services.console.http_bodies import BoxBody, RunBody, RunResultBody
from services.edge.hues import HUES

STYLE = Path(__file__).parents[3] / "web/src/app/style.css"


def compared(box: BoxBody, trained: bool = True) -> ComparedRun:
    result = RunResultBody(
        mode=RunMode.INT8, isa="avx2", latency_ms=1.0, detects=True, boxes=[box], guesses=[], trained=trained
    )
    run = RunBody(
        id="r" * 32,
        model="<net>",
        is_file=False,
        mode=RunMode.INT8,
        picture_name="dog.jpg",
        created=datetime(2026, 1, 1, tzinfo=UTC),
        state=RunState.DONE,
        can_step=True,
        result=result,
        fault="",
    )
    return ComparedRun(run, b"\xff\xd8\xff", "image/jpeg")


def test_what_random_weights_found_is_said_to_mean_nothing() -> None:
    box = BoxBody(label=9, name="dog", score=0.5, x=0.5, y=0.5, width=0.4, height=0.2)
    pages = [comparison_page([compared(box, trained)], "now") for trained in (True, False)]
    assert ["random weights" in page for page in pages] == [False, True]


def test_a_box_beyond_the_pictures_edge_ends_there_and_its_other_side_stays() -> None:
    box = BoxBody(label=9, name="dog", score=0.5, x=0.1, y=0.95, width=0.4, height=0.2)
    page = comparison_page([compared(box)], "now")
    assert f'style="--hue:{HUES[1]};left:0.00%;top:85.00%;width:30.00%;height:15.00%"' in page
    assert "<net>" not in page


def test_a_class_has_one_colour_on_the_page_in_files_and_on_the_command_line() -> None:
    assert tuple(re.findall(r"\.hue-\d \{\s+--hue: (#\w+)", STYLE.read_text())) == HUES
