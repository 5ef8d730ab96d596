"""Where jobs were run to, as other commands find it."""

from pathlib import Path

from services.local.noted_outputs import note_output, noted_outputs


def test_outputs_are_noted_once_the_newest_last_and_not_without_end(tmp_path: Path) -> None:
    assert noted_outputs(tmp_path) == []
    for n in (*range(22), 21, 5):
        note_output(tmp_path, f"file:///jobs/{n}")
    assert noted_outputs(tmp_path) == [f"file:///jobs/{n}" for n in (*range(2, 5), *range(6, 22), 5)]


def test_what_is_no_note_is_taken_for_none(tmp_path: Path) -> None:
    (tmp_path / "pipelines.json").write_text("{")
    assert noted_outputs(tmp_path) == []
