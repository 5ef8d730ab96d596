"""`strata ensemble simulate`: its table and JSON, its plot, and what it refuses."""

import json
from inspect import signature
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.bench.cluster import chart_values
from services.cli.app import app
from services.cli.ensemble import simulate
from services.edge.errors import InvalidInput
from services.ensemble.fleet.pods import Scale
from services.ensemble.fleet.spares import REST_S

SMALL = ["--models", "6", "--members", "2", "--rate", "20", "--seconds", "4", "--deadline-ms", "500"]


def run(*words: str) -> str:
    done = CliRunner().invoke(app, ["ensemble", "simulate", *SMALL, *words])
    if isinstance(done.exception, InvalidInput):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.stdout


def test_every_way_is_a_column_and_the_first_is_there_kept_too(tmp_path: Path) -> None:
    table = run("--when-late", "refuse,start", "--plot", str(tmp_path / "fleet.png"))
    head = next(line for line in table.splitlines() if "kept" in line)
    assert [each.strip() for each in head.strip("┃ ").split("┃")][-3:] == ["refuse", "start", "refuse, kept"]
    assert "in time, by all members" in table
    assert (tmp_path / "fleet.png").read_bytes().startswith(b"\x89PNG")


def test_json_has_what_was_held_and_money_in_the_stated_prices() -> None:
    found = json.loads(run("--json", "--when-late", "subset", "--tariff", '{"per_gb_second": 0, "per_request": 1}'))
    assert list(found) == ["subset", "subset, kept"]
    kept = found["subset, kept"]
    assert kept["held"]["starts"] == 0
    answered = kept["in_deadline"] * kept["requests"]
    assert kept["money"] == pytest.approx(answered + 0.000024 * kept["held"]["cpu_s"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--members", "7"], "6 models are fewer than the 7 members"),
        (["--when-late", "start,never"], "'never' is none of subset, refuse, start"),
        (["--plot", "/nowhere/fleet.png"], "there is no folder /nowhere"),
        (["--memory-gb", "0.1"], "no room for one pod of 300 MB"),
        (["--cpus", "4", "--spares", "4"], "--spares 4: the cluster has room for 4 pods"),
    ],
)
def test_what_makes_no_sense_is_refused(words: list[str], said: str) -> None:
    with pytest.raises(InvalidInput, match=said):
        run(*words)


@pytest.mark.parametrize("words", [["--models", "0"], ["--rate", "-1"], ["--cpus", "2000000"], ["--service-ms", "nan"]])
def test_what_is_out_of_range_is_refused_by_its_option(words: list[str]) -> None:
    done = CliRunner().invoke(app, ["ensemble", "simulate", *words])
    assert done.exit_code == 2
    assert f"'{words[0]}'" in done.output


def test_it_scales_as_the_chart_does_unless_it_is_asked_otherwise() -> None:
    values = chart_values()
    chart = values["modelDefaults"]
    asked = {name: each.default for name, each in signature(simulate).parameters.items()}
    window_s = float(chart["scale"]["window"].removesuffix("s"))
    assert asked["window_s"] == Scale(start_s=3.0).window_s == window_s
    assert asked["target"] == Scale(start_s=3.0).target == chart["concurrency"]["target"]
    assert values["spare"]["restS"] == REST_S
