"""Pictures and their classes, from folders."""

from pathlib import Path

import pytest

from services.edge.errors import EmptyBatch, InvalidDeclaration
from services.ensemble.labelled import labelled_pictures
from tests.unit.empty_files import make


def test_folders_that_are_labels_are_classes(tmp_path: Path) -> None:
    make(tmp_path, "dog/2.png", "dog/1.JPEG", "cat/3.jpg", "dog/notes.txt")
    pairs = labelled_pictures(tmp_path, ["cat", "dog"], None)
    assert [(path.name, index) for path, index in pairs] == [("3.jpg", 0), ("1.JPEG", 1), ("2.png", 1)]


@pytest.mark.parametrize(
    "mapping", ["n02 tabby, tabby cat\nn01 hound\n", "n01 1\nn02 0\n"], ids=["in order, as ImageNet's", "with indices"]
)
def test_a_file_maps_other_folders_to_classes(tmp_path: Path, mapping: str) -> None:
    make(tmp_path, "val/n01/a.png", "val/n02/b.png")
    (tmp_path / "map.txt").write_text(mapping)
    pairs = labelled_pictures(tmp_path / "val", [], tmp_path / "map.txt")
    assert [(path.parent.name, index) for path, index in pairs] == [("n01", 1), ("n02", 0)]


def test_a_folder_that_is_no_class_is_named(tmp_path: Path) -> None:
    make(tmp_path, "dgo/1.png")
    with pytest.raises(InvalidDeclaration, match=r"no class 'dgo' .*did you mean 'dog'\?.*--labels"):
        labelled_pictures(tmp_path, ["cat", "dog"], None)


@pytest.mark.parametrize(("text", "said"), [("", "empty"), ("a x\na y\n", "twice")])
def test_a_mapping_with_a_fault_is_refused(tmp_path: Path, text: str, said: str) -> None:
    (tmp_path / "map.txt").write_text(text)
    with pytest.raises(InvalidDeclaration, match=said):
        labelled_pictures(tmp_path, [], tmp_path / "map.txt")
    with pytest.raises(InvalidDeclaration, match="No such file"):
        labelled_pictures(tmp_path, [], tmp_path / "other.txt")


def test_a_file_maps_folders_to_labels_by_name(tmp_path: Path) -> None:
    make(tmp_path, "val/n01/a.png", "val/n02/b.png")
    (tmp_path / "map.txt").write_text("n01 wild dog\nn02 cat\n")
    pairs = labelled_pictures(tmp_path / "val", ["fox", "cat", "wild dog"], tmp_path / "map.txt")
    assert [(path.parent.name, index) for path, index in pairs] == [("n01", 2), ("n02", 1)]


def test_too_few_lines_in_order_are_refused(tmp_path: Path) -> None:
    make(tmp_path, "val/n01/a.png")
    (tmp_path / "map.txt").write_text("n01\nn02\n")
    with pytest.raises(InvalidDeclaration, match="2 lines for 3 classes"):
        labelled_pictures(tmp_path / "val", ["fox", "cat", "dog"], tmp_path / "map.txt")


@pytest.mark.parametrize(
    ("text", "said"),
    [("n01 2\n", "line 1: class 2; the models know 0 to 1"), ("n00\nn01\nn02\n", "3 lines for 2 classes")],
    ids=["with indices", "in order"],
)
def test_a_mapping_to_a_class_that_the_models_do_not_know_is_refused(tmp_path: Path, text: str, said: str) -> None:
    make(tmp_path, "val/n01/a.png")
    (tmp_path / "map.txt").write_text(text)
    with pytest.raises(InvalidDeclaration, match=rf"map\.txt: {said}"):
        labelled_pictures(tmp_path / "val", ["cat", "dog"], tmp_path / "map.txt")


def test_a_folder_named_after_two_classes_is_refused(tmp_path: Path) -> None:
    make(tmp_path, "crane/1.png")
    with pytest.raises(InvalidDeclaration, match=r"2 classes are called 'crane'.*FOLDER INDEX"):
        labelled_pictures(tmp_path, ["crane", "dog", "crane"], None)
    (tmp_path / "map.txt").write_text("crane 2\n")
    (pair,) = labelled_pictures(tmp_path, ["crane", "dog", "crane"], tmp_path / "map.txt")
    assert pair[1] == 2


def test_no_pictures_is_an_empty_batch(tmp_path: Path) -> None:
    with pytest.raises(EmptyBatch, match="no folders with pictures"):
        labelled_pictures(tmp_path, ["cat"], None)
