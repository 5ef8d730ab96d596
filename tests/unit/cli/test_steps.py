"""Progress, on a terminal and elsewhere."""

import io

from rich.console import Console

from services.cli.steps import showing_progress


def test_without_a_terminal_each_step_is_one_line() -> None:
    output = io.StringIO()
    with showing_progress("starting", Console(file=output, width=20)) as progress:
        for step in ("a", "a", "[b] is longer than the line is wide", "", "a"):
            progress(step)
    assert output.getvalue() == "a\n[b] is longer than the line is wide\na\n"


def test_a_terminal_shows_a_spinner_and_brackets_as_they_are() -> None:
    output = io.StringIO()
    with showing_progress("starting", Console(file=output, width=80, force_terminal=True)) as progress:
        progress("[/]compiling", 2, 3)
    assert "[/]compiling" in output.getvalue()
    assert "2 of 3" in output.getvalue()
