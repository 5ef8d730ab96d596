"""Ensembles with their models' files, held against each other."""

from pathlib import Path

import pytest

from services.edge.errors import EnsembleNotFound, InvalidDeclaration
from services.ensemble.loading import load_ensembles
from services.ensemble.served import Served, find


def write_model(folder: Path, name: str, labels: str = "[x, y]", size: int = 32) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    declared = f"name: {name}\narchitecture: alexnet\nweights: random://0\nlabels: {labels}\n"
    (folder / f"{name}.yaml").write_text(f"{declared}input: {{size: [{size}, {size}]}}\n")


def write_ensemble(folder: Path, name: str, *models: str) -> Path:
    path = folder / f"{name}.yaml"
    path.write_text(f"name: {name}\nmembers: [{', '.join(f'{{model: {model}}}' for model in models)}]\n")
    return path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_model(tmp_path / "models", "a")
    write_model(tmp_path / "models", "b", size=64)
    write_model(tmp_path / "models", "other", "[y, x]")
    write_model(tmp_path / "models", "nameless", "null")
    return tmp_path


def test_models_beside_the_file_and_built_in_ones_are_found(folder: Path) -> None:
    served = load_ensembles([write_ensemble(folder, "e", "a", "b", "nameless")], {})["e"]
    assert served.labels == ("x", "y")
    assert [spec.size for spec in served.specs] == [(32, 32), (64, 64), (32, 32)]
    assert load_ensembles([write_ensemble(folder, "big", "resnet-50")], {})["big"].labels == ()


def test_ensembles_of_two_folders_have_each_the_models_beside_its_file(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    write_model(folder / "elsewhere" / "models", "a", "[p, q]")
    paths = [write_ensemble(folder, "e", "a"), write_ensemble(folder / "elsewhere", "f", "a")]
    assert {name: served.labels for name, served in load_ensembles(paths, {}).items()} == {
        "e": ("x", "y"),
        "f": ("p", "q"),
    }


def test_a_folder_named_in_the_environment_goes_first(folder: Path, tmp_path: Path) -> None:
    write_model(tmp_path / "mine", "a", "[p, q]")
    served = load_ensembles([write_ensemble(folder, "e", "a")], {"STRATA_MODELS": str(tmp_path / "mine")})
    assert served["e"].labels == ("p", "q")


def test_a_member_that_does_not_exist_is_named_with_the_nearest(folder: Path) -> None:
    path = write_ensemble(folder, "e", "a", "resnet-51")
    with pytest.raises(InvalidDeclaration, match=r"e\.yaml: members: no model 'resnet-51'; did you mean 'resnet-50'"):
        load_ensembles([path], {})


def test_members_with_other_labels_are_no_ensemble(folder: Path) -> None:
    with pytest.raises(InvalidDeclaration, match="'a' and 'other' do not have the same labels"):
        load_ensembles([write_ensemble(folder, "e", "a", "b", "other")], {})


@pytest.mark.parametrize("of", ["architecture: yolov3-tiny\nweights: random://0", "weights: file://x.onnx"])
def test_a_detector_is_no_member(of: str, folder: Path) -> None:
    boxes = "input: {size: [32, 32], fit: letterbox}\ndetection: {}\n"
    (folder / "models" / "boxes.yaml").write_text(f"name: boxes\n{of}\n{boxes}")
    with pytest.raises(InvalidDeclaration, match="'boxes' is a Darknet network or a detector"):
        load_ensembles([write_ensemble(folder, "e", "a", "boxes")], {})


def test_two_ensembles_of_one_name_are_refused_and_so_are_none(folder: Path) -> None:
    path = write_ensemble(folder, "e", "a")
    with pytest.raises(InvalidDeclaration, match="called 'e' already"):
        load_ensembles([path, path], {})
    with pytest.raises(InvalidDeclaration, match="no ensemble files"):
        load_ensembles([], {})


def test_a_name_may_be_left_out_where_there_is_one(folder: Path) -> None:
    one = load_ensembles([write_ensemble(folder, "first", "a")], {})
    assert isinstance(find(one, ""), Served)
    two = load_ensembles([write_ensemble(folder, "first", "a"), write_ensemble(folder, "second", "b")], {})
    with pytest.raises(EnsembleNotFound, match="names no ensemble; here are first, second"):
        find(two, "")
    with pytest.raises(EnsembleNotFound, match="did you mean 'second'"):
        find(two, "secnd")
