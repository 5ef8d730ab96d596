"""`strata console`, without one."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.background import Background
from services.cli.console import app
from services.console import pages
from services.local.running import Running

RUNNING = Running(1, 1, "127.0.0.1:1", "", (), "serve.log")


def test_who_starts_it_without_its_page_is_told_how_to_build_that(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(Background, "start", lambda _: (RUNNING, False))
    monkeypatch.setattr(pages, "BUNDLE", tmp_path)
    assert CliRunner().invoke(app, ["start"]).stderr == ""
    monkeypatch.setattr(pages, "BUNDLE", tmp_path / "none")
    started = CliRunner().invoke(app, ["start"])
    assert "make web" in started.stderr
    assert started.stdout.splitlines()[-1] == "http://127.0.0.1:1"
