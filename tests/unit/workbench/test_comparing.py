"""`strata quant compare`: two variants on pictures, layer by layer and answer by answer."""

import json
from pathlib import Path

from quant.errors import InvalidGraph
from quant.precision import Mode
from services.edge.errors import NoIntegers
from services.workbench.comparing import ComparedVariant, compare_variants
from services.workbench.engine_model import EngineModel
from services.workbench.files import read_integers, write_model
from services.workbench.opening import import_darknet
from services.workbench.picture_files import PictureFiles
from tests.unit.workbench.commands import DETECTOR, answer, quant


def test_float_and_int8_of_a_detector_agree_but_for_their_codes(place: Path, model: EngineModel) -> None:
    integers = read_integers(place / "small.integers", model)
    sides = [ComparedVariant(model, integers, mode) for mode in (Mode.FLOAT, Mode.INT8)]
    found = compare_variants(sides[0], sides[1], PictureFiles([place / "0.png", place / "1.png"]))
    assert [row.layer for row in found.layers] == [layer.name for layer in model.graph.layers]
    assert [Path(each.picture).name for each in found.pictures] == ["0.png", "1.png"]
    assert all(each.classes is None for each in found.pictures)
    same = compare_variants(sides[1], sides[1], PictureFiles([place / "0.png"]))
    assert (same.agreement, same.points_lost) == (1.0, 0.0)
    assert all(row.codes_differing in (0.0, None) for row in same.layers)


def test_command_compares_modes_files_of_integers_and_models(
    place: Path, other_model: EngineModel, tmp_path: Path
) -> None:
    found = answer(place, "compare", "small.strata@float", "small.strata", "0.png", "1.png")
    assert isinstance(found, dict)
    assert (found["first"], found["second"]) == ("small.strata@float", "small.strata")
    stem = found["layers"][0]
    assert stem["first"] == {"precision": "float", "qparams": None, "weight_scale": None}
    assert stem["second"]["qparams"]["scale"] > 0
    assert 0 <= stem["codes_differing"] < 0.5

    table = quant(place, "compare", "small.strata", "plain.integers", "0.png", "--plot", str(tmp_path / "apart.png"))
    assert table.exit_code == 0, table.output
    assert "boxes: " in table.stdout
    assert (tmp_path / "apart.png").read_bytes().startswith(b"\x89PNG")

    write_model(tmp_path / "other.strata", other_model)
    other = quant(place, "compare", "small.strata@float", f"{tmp_path}/other.strata@float", "0.png", "--json")
    rows = json.loads(other.stdout)["layers"]
    assert all(row["codes_differing"] is None for row in rows)
    assert rows[0]["sqnr_db"] < 10


def test_command_exits_with_1_where_fewer_answers_agree_than_are_demanded(
    place: Path, other_model: EngineModel, tmp_path: Path
) -> None:
    write_model(tmp_path / "other.strata", other_model)
    sides = "small.strata@float", f"{tmp_path}/other.strata@float"
    assert quant(place, "compare", *sides, "0.png").exit_code == 0
    refused = quant(place, "compare", *sides, "0.png", "--least-agreement", "1")
    assert refused.exit_code == 1
    assert "of the answers agree, fewer than 100.00%" in refused.stderr


def test_what_cannot_be_compared_is_refused(place: Path, tmp_path: Path) -> None:
    shapes = import_darknet(DETECTOR / "shapes.cfg", DETECTOR / "shapes.weights")
    write_model(tmp_path / "shapes.strata", shapes)
    found = quant(place, "compare", "small.strata@float", f"{tmp_path}/shapes.strata@float", "0.png")
    assert isinstance(found.exception, InvalidGraph)
    assert "not the same network" in str(found.exception)
    found = quant(place, "compare", "small.strata", "fresh.strata", "0.png")
    assert isinstance(found.exception, NoIntegers)
    assert "fresh.strata has no integers for mode int8; `strata quant calibrate" in str(found.exception)
    found = quant(place, "compare", "small.integers", "plain.integers", "0.png")
    assert found.exit_code == 2
    assert "which model?" in found.output
    assert quant(place, "compare", "small.strata", "small.strata@auto@float", "0.png").exit_code != 0
