"""`strata quant --at`: the verbs at a workbench do what they do here."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from typer.testing import CliRunner, Result

from services.cli.quant import app
from services.edge.errors import ModelNotFound, NoAutoPlan, NoIntegers, OtherModel, Unavailable
from services.workbench import client
from services.workbench.files import read_integers, read_model
from tests.contract.workbench_process import DETECTOR, Bench, detector, integers, running

PICTURE = str(DETECTOR / "pictures" / "shapes-11.jpg")


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> None:
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running(str(tmp_path_factory.mktemp("store")), WORKBENCH_THREADS="1") as bench:
        yield bench


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with the example detector and its integers."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "shapes.strata").write_bytes(detector())
    (tmp_path / "shapes.integers").write_bytes(integers())
    return tmp_path


def quant(at: int | None, *arguments: str, script: str | None = None) -> Result:
    there = () if at is None else ("--at", f"127.0.0.1:{at}")
    return CliRunner().invoke(app, [*there, *arguments], input=script)


def answer(at: int | None, *arguments: str) -> Any:
    result = quant(at, *arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.parametrize("mode", ["float", "hybrid", "int8"])
def test_run_finds_there_what_it_finds_here(bench: Bench, place: Path, mode: str) -> None:
    here, there = (answer(at, "run", "shapes.strata", PICTURE, "--mode", mode) for at in (None, bench.port))
    assert [box["name"] for box in there["boxes"]] == [box["name"] for box in here["boxes"]]
    assert [box["score"] for box in there["boxes"]] == pytest.approx([box["score"] for box in here["boxes"]])
    assert there["latency_ms"] > 0
    assert (place / there["picture"]).stat().st_size > 1000


def test_cross_gives_the_same_rows(bench: Bench, place: Path) -> None:
    here, there = (answer(at, "cross", "shapes.strata", PICTURE) for at in (None, bench.port))
    assert [row["layer"] for row in there["layers"]] == [row["layer"] for row in here["layers"]]
    assert [row["own_db"] for row in there["layers"]] == pytest.approx([row["own_db"] for row in here["layers"]])
    one = answer(bench.port, "cross", "shapes.strata", PICTURE, "--layer", "maxpool_1")
    assert one["layers"] == [row for row in there["layers"] if row["layer"] == "maxpool_1"]


def test_compare_finds_there_what_it_finds_here(bench: Bench, place: Path) -> None:
    words = "compare", "shapes.strata@float", "shapes.integers", PICTURE
    here, there = (answer(at, *words) for at in (None, bench.port))
    assert [row["layer"] for row in there["layers"]] == [row["layer"] for row in here["layers"]]
    assert there["pictures"] == here["pictures"]
    assert there["agreement"] == pytest.approx(here["agreement"])
    for one, other in zip(here["layers"], there["layers"], strict=True):
        assert (one["first"], one["second"]["precision"]) == (other["first"], other["second"]["precision"])
        assert one["second"]["qparams"] == other["second"]["qparams"]
        assert one["largest"] == other["largest"]
        assert one["sqnr_db"] == pytest.approx(other["sqnr_db"], abs=0.1)
    (place / "shapes.integers").unlink()
    refused = quant(bench.port, "compare", "shapes.strata@float", "shapes.strata", PICTURE)
    assert isinstance(refused.exception, NoIntegers)


SCRIPT = """next 3
back
info
show weights 3,1
show codes
show scales 0
show value
show sums 0,1
statistics
sums
histogram
edit weights 3 0.2
edit weights 3,1 0 1 2 3 4 5 6 7 8
edit scale 0 0.05
edit range -2 2
compare
undo
branch other
edit bias all 0
compare main
edit precision float
edit scale 0 0.07
switch main
layers
to end
rerun
keep kept.strata
"""


def test_a_script_steps_there_as_it_steps_here(bench: Bench, place: Path) -> None:
    script = SCRIPT.replace("back\n", "back 2\n")
    said = {}
    for name, at in (("here", None), ("there", bench.port)):
        result = quant(at, "step", "shapes.strata", PICTURE, script=script.replace("kept", name))
        assert result.exit_code == 0, result.output
        said[name] = result.stdout.replace(f"kept {name}", "kept it")
    assert said["there"] == said["here"]
    kept = {name: read_model(place / f"{name}.strata") for name in said}
    assert kept["there"].digest == kept["here"].digest
    found = {name: read_integers(place / f"{name}.integers", model) for name, model in kept.items()}
    assert found["there"].calibration.values == found["here"].calibration.values


def test_integers_made_there_run_here(bench: Bench, place: Path) -> None:
    (place / "shapes.integers").unlink()
    options = ("calibrate", "shapes.strata", PICTURE, "--algorithm", "minmax")
    there = answer(bench.port, *options, "--auto")
    made = read_integers(place / "shapes.integers", read_model(place / "shapes.strata"))
    assert made.auto_plan
    here = answer(None, *options, "-o", "here.integers")
    assert {name: each["algorithm"] for name, each in there["values"].items()} == {
        name: each["algorithm"] for name, each in here["values"].items()
    }
    assert answer(bench.port, "run", "shapes.strata", PICTURE, "--mode", "auto")["mode"] == "auto"


def test_report_measures_there(bench: Bench, place: Path) -> None:
    found = answer(bench.port, "report", "shapes.strata", PICTURE)
    assert set(found["modes_ms"]) == {"float", "hybrid", "int8"}
    assert found["pictures"] == 1
    assert found["agreements"]["float"]["boxes"] == 1
    table = quant(bench.port, "report", "shapes.strata", PICTURE)
    assert re.search(r"boxes as float's", table.stdout)


def test_import_brings_a_model_of_the_catalog_there_here(bench: Bench, place: Path) -> None:
    result = quant(bench.port, "import", "yolov2-tiny", "--size", "32", "-o", "tiny.strata")
    assert result.exit_code == 0, result.output
    assert "random weights" in result.stderr
    assert read_model(place / "tiny.strata").graph.input_shape == (3, 32, 32)


def test_what_is_refused_there_is_the_error_it_is_here(
    bench: Bench, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert isinstance(quant(bench.port, "run", "yolov9", PICTURE).exception, ModelNotFound)
    refused = quant(bench.port, "run", "yolov3-tiny", PICTURE, "--size", "32", "--integers", "shapes.integers")
    assert isinstance(refused.exception, OtherModel)
    assert quant(bench.port, "export", "shapes.strata").exit_code == 2
    monkeypatch.setattr(client, "_CONNECT_S", 0.2)
    alone = quant(1, "run", "shapes.strata", PICTURE)
    assert isinstance(alone.exception, Unavailable)
    assert "strata quant serve" in str(alone.exception)


def test_a_host_that_nobody_knows_is_said_without_waiting_for_it(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "_CONNECT_S", 3600.0)  # the test would end by its time limit
    result = CliRunner().invoke(app, ["--at", "nowhere.invalid:9100", "run", "shapes.strata", PICTURE])
    assert isinstance(result.exception, Unavailable)
    assert "nowhere.invalid:9100: no host has this name here" in str(result.exception)


def test_nothing_is_left_there_when_a_verb_ends_or_is_refused(bench: Bench, place: Path) -> None:
    """Of these verbs, and of all others that were called here before."""
    somebodys = bench.upload(b"a file of somebody else")
    assert quant(bench.port, "run", "shapes.strata", PICTURE, "--mode", "int8").exit_code == 0
    assert quant(bench.port, "calibrate", "shapes.strata", PICTURE, "--algorithm", "minmax").exit_code == 0
    assert isinstance(quant(bench.port, "run", "shapes.strata", PICTURE, "--mode", "auto").exception, NoAutoPlan)
    assert [path.name for path in bench.store.rglob("*") if path.is_file()] == [somebodys]
