"""Labels beside pictures: Darknet's files of boxes, and folders named after classes."""

from dataclasses import replace
from pathlib import Path

import pytest

from services.edge.errors import InvalidInput
from services.workbench.engine_model import EngineModel
from services.workbench.truths import truths_of
from services.zoo.detection import Detection


def test_a_text_beside_each_picture_has_its_boxes(tmp_path: Path, model: EngineModel) -> None:
    (tmp_path / "a.txt").write_text("1 0.5 0.25 0.1 0.2\n\n0 0.1 0.2 0.3 0.4\n")
    (tmp_path / "b.txt").write_text("")
    paths = [tmp_path / "a.jpg", tmp_path / "b.png"]
    assert truths_of(model, paths) == [
        (Detection(1, 1.0, 0.5, 0.25, 0.1, 0.2), Detection(0, 1.0, 0.1, 0.2, 0.3, 0.4)),
        (),
    ]
    assert truths_of(model, [*paths, tmp_path / "c.jpg"]) is None


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        ("0 0.5 0.5 0.1", "expected a class number, x, y, width and height, not '0 0.5 0.5 0.1'"),
        ("dog 0.5 0.5 0.1 0.1", "expected a class number"),
        ("2 0.5 0.5 0.1 0.1", "class 2; the model has classes 0 to 1"),
        ("-1 0.5 0.5 0.1 0.1", "class -1; the model has classes 0 to 1"),
        ("0 nan 0.5 0.1 0.1", "a box needs finite numbers"),
    ],
)
def test_a_line_that_is_no_box_is_named(tmp_path: Path, model: EngineModel, line: str, fault: str) -> None:
    (tmp_path / "a.txt").write_text(f"0 0.5 0.5 0.1 0.1\n{line}\n")
    with pytest.raises(InvalidInput) as caught:
        truths_of(model, [tmp_path / "a.jpg"])
    assert str(caught.value).startswith(f"{tmp_path / 'a.txt'}, line 2: {fault}")


def test_classifiers_take_the_folders_names(model: EngineModel) -> None:
    head = model.graph.layer("raw")
    classifier = replace(model, graph=replace(model.graph, layers=model.graph.layers[:-1], outputs=(head.name,)))
    assert truths_of(classifier, [Path("square/1.png"), Path("circle/2.png")]) == [1, 0]
    assert truths_of(classifier, [Path("square/1.png"), Path("other/2.png")]) is None
