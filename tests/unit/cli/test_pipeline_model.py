"""Which models a pipeline may be of."""

from pathlib import Path

import pytest

from services.cli.pipeline_model import find_model
from services.edge.errors import ModelNotFound, Unsupported

DETECTOR = (
    "name: shapes\narchitecture: darknet\ncfg: shapes.cfg\nweights: file://shapes.weights\n"
    "input: {size: [192, 192], fit: letterbox}\n"
)


@pytest.fixture
def declared(tmp_path: Path) -> str:
    (tmp_path / "shapes.yaml").write_text(DETECTOR)
    return str(tmp_path / "shapes.yaml")


def test_a_darknet_network_is_refused_before_any_work_by_file_and_by_name(declared: str) -> None:
    for reference, name in ((declared, "shapes"), ("yolov3-tiny", "yolov3-tiny"), ("darknet19", "darknet19")):
        with pytest.raises(Unsupported, match=f"model '{name}': Darknet's networks and detectors are served whole"):
            find_model(reference, None)


def test_a_name_of_the_users_own_goes_before_darknets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "own.yaml").write_text("name: yolov3-tiny\narchitecture: alexnet\nweights: random://0\n")
    monkeypatch.setenv("STRATA_MODELS", str(tmp_path))
    assert find_model("yolov3-tiny", None).architecture == "alexnet"


def test_a_name_that_nobody_knows_is_not_found() -> None:
    with pytest.raises(ModelNotFound, match="strata models"):
        find_model("yolov9", None)
