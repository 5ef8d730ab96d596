"""A drawing or a file that cannot be written is said before the work that it would show."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import app
from services.edge.errors import InvalidInput

PLAN = ("pipeline", "plan", "no-such-model", "--deadline", "1m")


@pytest.mark.parametrize(
    ("command", "option", "name"),
    [
        (PLAN, "--plot", "drawing.txt"),
        (PLAN, "--plot", "none/drawing.png"),
        (PLAN, "--to", "none/plan.json"),
        (("pipeline", "simulate", "no-such-model"), "--plot", "drawing.txt"),
        (("ensemble", "simulate", "--models", "3", "--seconds", "1"), "--plot", "drawing.txt"),
    ],
    ids=["plan-form", "plan-folder", "plan-file", "pipeline-form", "fleet-form"],
)
def test_a_place_is_checked_before_the_model(tmp_path: Path, command: tuple[str, ...], option: str, name: str) -> None:
    failed = CliRunner().invoke(app, [*command, option, str(tmp_path / name)]).exception
    assert isinstance(failed, InvalidInput)
    assert str(failed).startswith(f"{tmp_path / name}: ")
