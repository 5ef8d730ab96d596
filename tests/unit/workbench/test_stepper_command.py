"""`strata quant step`: walked by script and by hand."""

import io
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from rich.console import Console

from quant.errors import InvalidEdit, LayerNotFound, NotCalibrated
from quant.operations import Conv2d
from quant.precision import Mode, Precision, uniform_plan
from quant.scales import Calibration
from services.cli.quant_begin import out
from services.cli.quant_step import StepperLoop
from services.edge.errors import (
    FailedPrecondition,
    InvalidInput,
)
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.files import read_integers, read_model
from services.workbench.picture_files import read_picture
from services.workbench.pictures import DecodedPicture
from services.workbench.session import Session
from services.zoo.integers import Integers
from tests.unit.workbench.commands import pixels, quant


def loop(place: Path, model: EngineModel, calibration: Calibration, script: str) -> str:
    written = io.StringIO()
    console = Console(file=written, width=160, markup=False)
    opened = Integers(calibration, auto_plan={"stem": Precision.FLOAT})
    session = Session(model, opened, Mode.INT8, read_picture(place / "0.png"))
    StepperLoop(session, console, io.StringIO(script)).cmdloop()
    return written.getvalue()


def on_black(model: EngineModel, calibration: Calibration) -> Session:
    black = DecodedPicture("black", torch.zeros(3, 32, 32, dtype=torch.uint8))
    return Session(model, Integers(calibration), Mode.INT8, black)


def test_stepper_walks_edits_compares_and_keeps(place: Path, model: EngineModel, calibration: Calibration) -> None:
    kept = place / "edited.strata"
    edits = ["next", "next 2", "info", "sums", "edit weights 3 0.2", "back", "to end", "histogram", "layers"]
    script = [*edits, "branch other", f"keep {kept}", "quit", "next"]
    said = loop(place, model, calibration, "\n".join(script))
    assert "2 body:" in said
    assert "sums " in said
    assert "of the elements differ" in said
    assert "* other" in said
    assert "calibrate --auto" in said
    edited = read_model(kept)
    weight = edited.graph.layer("body").operation.weight  # type: ignore[union-attr]
    assert weight[3].eq(0.2).all()
    integers = read_integers(kept.with_suffix(".integers"), edited)
    assert (integers.auto_plan, integers.edited) == ({}, {})


def test_kept_precisions_hold_in_integer_modes_and_are_no_plan_of_auto(
    place: Path, model: EngineModel, calibration: Calibration, tmp_path: Path
) -> None:
    kept = tmp_path / "mixed.strata"
    loop(place, model, calibration, f"next 3\nedit precision float\nkeep {kept}\n")
    again = read_model(kept)
    integers = read_integers(kept.with_suffix(".integers"), again)
    assert integers.edited == {"body": Precision.FLOAT}
    plans = {mode: engine_of(again, mode, integers).plan for mode in (Mode.FLOAT, Mode.HYBRID, Mode.INT8)}
    assert plans[Mode.INT8] == {**uniform_plan(again.graph, Mode.INT8), "body": Precision.FLOAT}
    assert plans[Mode.HYBRID] == {**uniform_plan(again.graph, Mode.HYBRID), "body": Precision.FLOAT}
    assert plans[Mode.FLOAT] == uniform_plan(again.graph, Mode.FLOAT)
    result = quant(place, "run", str(kept), "0.png", "--mode", "auto", "-o", str(tmp_path / "out.png"))
    assert isinstance(result.exception, FailedPrecondition)


def test_rerun_shows_the_edited_models_answer_and_stays(
    place: Path, model: EngineModel, calibration: Calibration
) -> None:
    said = loop(place, model, calibration, "next\nrerun\nedit bias all 0\nedit weights all 0\nrerun\ninfo\n")
    answers = [line for line in said.splitlines() if line.endswith(("circle", "square", "no boxes"))]
    assert answers
    assert any("0 stem: Conv2d" in line for line in said.splitlines()[-8:])


def test_an_edit_takes_one_value_for_each_number_in_the_place(
    place: Path, model: EngineModel, calibration: Calibration, tmp_path: Path
) -> None:
    kept = tmp_path / "edited.strata"
    values = [f"{value / 100}" for value in range(9)]
    script = f"next\nedit weights 3,1 {' '.join(values)}\nedit bias all {' '.join(['0.5'] * 16)}\nkeep {kept}\n"
    loop(place, model, calibration, script)
    stem = read_model(kept).graph.layer("stem").operation
    assert isinstance(stem, Conv2d)
    assert torch.equal(stem.weight[3, 1], torch.arange(9).view(3, 3) / 100)
    assert stem.bias.eq(0.5).all()


def test_an_interrupted_command_does_not_end_an_interactive_session(
    place: Path, model: EngineModel, calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object, layer: str) -> None:
        raise KeyboardInterrupt

    session = on_black(model, calibration)
    monkeypatch.setattr(Session, "jump", interrupt)
    person = StepperLoop(session, Console(file=io.StringIO()))
    assert person.onecmd("to end") is False
    script = StepperLoop(session, Console(file=io.StringIO()), io.StringIO())
    with pytest.raises(KeyboardInterrupt):
        script.onecmd("to end")


def test_ctrl_c_at_the_prompt_leaves_the_line_and_not_the_edits(
    model: EngineModel, calibration: Calibration, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed: Iterator[str | BaseException] = iter(["next", "edit weights 3 0.2", KeyboardInterrupt(), "undo", EOFError()])

    def type_next(_: str) -> str:
        word = next(typed)
        if isinstance(word, str):
            return word
        raise word

    monkeypatch.setattr("builtins.input", type_next)
    written = io.StringIO()
    session = on_black(model, calibration)
    opened = session.variant
    StepperLoop(session, Console(file=written)).cmdloop()
    assert "Ctrl-D ends" in written.getvalue()
    assert session.variant is opened


def test_undo_shows_the_value_as_it_was(place: Path, model: EngineModel, calibration: Calibration) -> None:
    said = loop(place, model, calibration, "next\nedit range -1 1\nundo\n").splitlines()
    assert said[0].startswith("0 stem: ")
    assert said[-1] == said[0]


def test_back_takes_a_count_and_maps_say_what_they_wrote(
    place: Path, model: EngineModel, calibration: Calibration, tmp_path: Path
) -> None:
    said = loop(place, model, calibration, f"next 3\nback 2\nmaps {tmp_path / 'm.png'}\n").splitlines()
    assert said[-2].startswith("0 stem: ")
    assert said[-1] == f"wrote {tmp_path / 'm.png'}"
    assert max(pixels(tmp_path / "m.png").shape) > 256


def test_help_is_a_line_a_command_and_one_in_full_without_indent(
    place: Path, model: EngineModel, calibration: Calibration
) -> None:
    said = loop(place, model, calibration, "help\nhelp edit\n").splitlines()
    listed = [line for line in said if line.startswith("next [COUNT]: ")]
    assert len(listed) == 1
    assert not any(line.startswith((" ", "EOF")) for line in said)
    assert said[-1].endswith("`edit precision` takes float, hybrid or int8.")


def test_a_value_without_noise_is_called_exact(place: Path, model: EngineModel, calibration: Calibration) -> None:
    said = loop(place, model, calibration, "next\nedit bias 0 0\nedit precision hybrid\nedit bias 0 0\n")
    assert said.splitlines()[-1].endswith("0.00% of the elements differ, by 0 at most; exact")


def test_a_fault_in_a_script_leaves_session_and_files_as_they_were(
    place: Path, model: EngineModel, calibration: Calibration, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.strata"
    loop(place, model, calibration, f"next\nkeep {kept}\n")
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert set(before) == {"kept.strata", "kept.integers"}
    session = Session(model, Integers(calibration), Mode.INT8, read_picture(place / "0.png"))
    script = io.StringIO(f"next 2\nedit weights 0 0.1\nedit weights 99 1\nkeep {kept}\n")
    with pytest.raises(InvalidEdit):
        StepperLoop(session, Console(file=io.StringIO()), script).cmdloop()
    assert session.layer == "norm"
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_a_keep_that_fails_leaves_the_old_pair(
    place: Path, model: EngineModel, calibration: Calibration, tmp_path: Path
) -> None:
    kept = tmp_path / "kept.strata"
    kept.write_bytes(b"old")
    kept.with_suffix(".integers").mkdir()
    with pytest.raises(InvalidInput, match="folder"):
        loop(place, model, calibration, f"next\nkeep {kept}\n")
    assert kept.read_bytes() == b"old"


def test_a_person_reads_of_a_fault_and_goes_on(
    model: EngineModel, calibration: Calibration, capsys: pytest.CaptureFixture[str]
) -> None:
    person = StepperLoop(on_black(model, calibration), out)
    assert person.onecmd("[/x]") is False
    assert "InvalidInput: no command '[/x]'; `help` lists them" in capsys.readouterr().out


@pytest.mark.parametrize("script", ["branch [/x]\n", "next\nedit scale 0 0.1\nbranch [red]:smile:\n"])
def test_names_with_brackets_are_printed_as_they_are(place: Path, script: str) -> None:
    result = quant(place, "step", "small.strata", "0.png", script=script)
    assert result.exit_code == 0, result.output
    assert script.split()[-1] in result.stdout


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("info\n", FailedPrecondition),
        ("to nowhere\n", LayerNotFound),
        ("dance\n", InvalidInput),
        ("[/x]\n", InvalidInput),
        ("next ²\n", InvalidInput),
        ("next " + "9" * 5000 + "\n", InvalidInput),
        ("next\nedit codes 0 " + "9" * 30 + "\n", InvalidInput),
        ("next\nedit weights 0,0 1 2 3\n", InvalidEdit),
        ("next\nedit weights 0,0,0,0,0 1 2\n", InvalidEdit),
        ("next\nedit weights 99 1\n", InvalidEdit),
        ("next\nedit weights x 1\n", InvalidInput),
        ("next\nedit\n", InvalidInput),
        ("next\nedit precision int9\n", InvalidInput),
        ("undo\n", InvalidEdit),
        ("keep model.png\n", InvalidInput),
        ("keep\n", InvalidInput),
        ("to\n", InvalidInput),
        ("next\nmaps\n", InvalidInput),
        ("next\nback 1\n", LayerNotFound),
        ("next\nlayers 3\n", InvalidInput),
        ("undo 2\n", InvalidInput),
        ("help dance\n", InvalidInput),
        ("to head\nedit range -1 1\n", InvalidEdit),
        ("next two\n", InvalidInput),
    ],
)
def test_script_stops_at_its_first_fault(
    place: Path, model: EngineModel, calibration: Calibration, script: str, error: type[Exception]
) -> None:
    with pytest.raises(error):
        loop(place, model, calibration, script)


def test_every_stepper_command_has_help(place: Path, model: EngineModel) -> None:
    commands = [name for name in dir(StepperLoop) if name.startswith("do_") and name != "do_help"]
    assert all(getattr(StepperLoop, name).__doc__ for name in commands)
    words = set(re.findall(r"\w+", quant(place, "step", "--help").stdout))
    assert {name.removeprefix("do_") for name in commands} - {"EOF", "n", "b", "q"} <= words


def test_stepping_in_integers_needs_scales(model: EngineModel) -> None:
    with pytest.raises(NotCalibrated):
        on_black(model, Calibration()).step()


def test_a_layer_is_shown_with_what_it_is_made_of_and_reads(
    place: Path, model: EngineModel, calibration: Calibration
) -> None:
    said = loop(place, model, calibration, "layers\nto body\ninfo\nto pool\ninfo\n")
    assert re.search(r"sum +│ Add +│ body, norm +│", said)
    made = "activation relu, dilation 1 x 1, groups 1, kernel 3 x 3, padding 1 x 1, stride 1 x 1"
    assert made in said
    assert "weights 16x16x3x3: " in said
    assert "kernel 2 x 2, padding 0, 1, 0, 1, stride 2 x 2" in said


def test_numbers_can_be_seen_before_an_edit_and_after(
    place: Path, model: EngineModel, calibration: Calibration
) -> None:
    script = (
        "to body\nshow codes 3,1\nedit codes 3,1,0 1 2 3\nshow codes 3,1\nshow bias\nshow weights\nshow sums 0,2,5\n"
    )
    said = loop(place, model, calibration, script).splitlines()
    codes = calibration.weights["body"].codes[3, 1]
    assert said[1:5] == [
        "codes 16x16x3x3",
        *(f"  3,1,{row}: {' '.join(map(str, codes[row].tolist()))}" for row in range(3)),
    ]
    assert "  3,1,0: 1 2 3" in said[6:]
    assert any(re.fullmatch(r"  all:( -?\d\S+){16}", line) for line in said), "the biases in one row"
    assert "  48 of 2304 numbers; name a place to see others" in said


@pytest.mark.parametrize("words", ["", "colours", "weights 99", "weights a", "scales 1,1", "codes all 3"])
def test_what_cannot_be_shown_is_refused(place: Path, model: EngineModel, calibration: Calibration, words: str) -> None:
    with pytest.raises(InvalidInput):
        loop(place, model, calibration, f"next\nshow {words}")


def test_an_edit_of_what_no_layer_reads_says_why(place: Path, model: EngineModel, calibration: Calibration) -> None:
    in_float = ["precision float", "codes all 0", "scale 0 0.5", "precision float"]
    script = "".join(f"edit {edit}\n" for edit in [*in_float, "precision int8", "codes all 0"])
    said = loop(place, model, calibration, f"to raw\n{script}").splitlines()
    unread = [line for line in said if line.startswith("nothing that runs has changed")]
    assert len(unread) == 3
    assert "runs in float, without codes or scales" in unread[0]
    assert unread[2].endswith("layer 'raw' runs in float already")
    assert "of the elements differ" in said[-1]
    assert "0.00%" not in said[-1]


def test_rerun_shows_boxes_from_the_threshold_on(place: Path, model: EngineModel, calibration: Calibration) -> None:
    shown = []
    for threshold in (0.0, 0.99):
        written = io.StringIO()
        session = on_black(model, calibration)
        StepperLoop(session, Console(file=written), io.StringIO("rerun\n"), threshold).cmdloop()
        shown.append(len(written.getvalue().splitlines()))
    assert shown[0] > 10
    assert shown[1] == 1
