"""A float program that was exported comes back as the model it was; one that was changed since is refused."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import onnx
import onnxruntime
import pytest
import torch
from onnx import helper

from quant.graph import INPUT, Graph, Layer
from quant.operations import Conv2d, GlobalAvgPool, Region, Reorg, Softmax
from quant.precision import Mode
from services.edge.errors import DamagedFile, InvalidDeclaration, StrataError, Unsupported
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.exporting import ExportForm, export_program
from services.workbench.files import read_integers, read_model
from services.workbench.findings import boxes
from services.workbench.opening import import_program, open_declared, open_named
from services.workbench.picture_files import read_picture
from services.workbench.pictures import as_input
from services.workbench.program_metadata import MODEL
from services.zoo.catalog import Catalog
from services.zoo.detection import match_boxes
from services.zoo.from_onnx.heads import HEADS
from services.zoo.integers import Integers
from services.zoo.manifest import InputSpec
from services.zoo.model_file import read_model_file
from tests.unit.workbench.commands import DETECTOR, quant

PICTURE = DETECTOR / "pictures" / "shapes-11.jpg"


def exported(model: EngineModel, folder: Path) -> Path:
    path = folder / f"{model.name}.float.onnx"
    path.write_bytes(export_program(model, None, Mode.FLOAT, ExportForm.ONNX)[".onnx"])
    return path


def layers_of(model: EngineModel) -> set[tuple[str, str, tuple[str, ...]]]:
    return {(layer.name, type(layer.operation).__name__, layer.inputs) for layer in model.graph.layers}


@pytest.fixture(scope="module")
def shapes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a trained detector and the float program that was exported of it."""
    folder = tmp_path_factory.mktemp("shapes")
    for words in (
        ("import", DETECTOR / "shapes.cfg", DETECTOR / "shapes.weights", "--labels", DETECTOR / "shapes.names"),
        ("export", "shapes.strata", "--format", "onnx", "--float"),
        ("import", "shapes.float.onnx"),
    ):
        result = quant(folder, *map(str, words))
        assert result.exit_code == 0, result.output
    return folder


def test_a_detector_comes_back_with_its_heads_its_labels_and_its_layers_names(shapes: Path) -> None:
    source, again = read_model(shapes / "shapes.strata"), read_model(shapes / "shapes.float.strata")
    assert layers_of(again) == layers_of(source)
    assert again.graph.outputs == source.graph.outputs
    for name in source.graph.outputs:
        assert again.graph.layer(name).operation == source.graph.layer(name).operation
    assert (again.labels, again.input_spec, again.trained) == (source.labels, None, True)


def test_its_heads_are_what_onnx_runtime_answers_and_its_boxes_are_the_sources(shapes: Path) -> None:
    source, again = read_model(shapes / "shapes.strata"), read_model(shapes / "shapes.float.strata")
    picture = read_picture(PICTURE)
    x = as_input(again, picture)
    session = onnxruntime.InferenceSession(shapes / "shapes.float.onnx", providers=["CPUExecutionProvider"])
    names = [each.name for each in session.get_outputs()]
    found = engine_of(again, Mode.FLOAT, Integers()).run(x)
    for name, expected in zip(names, session.run(None, {"input": x.numpy()}), strict=True):
        torch.testing.assert_close(found[name], torch.from_numpy(expected), rtol=1e-4, atol=1e-4)
    expected = boxes(source, engine_of(source, Mode.FLOAT, Integers()).run(x), picture.size, 0.25)
    assert len(expected) > 1
    assert boxes(again, found, picture.size, 0.25) == expected


def test_it_is_calibrated_and_finds_the_same_in_integers(shapes: Path) -> None:
    result = quant(shapes, "calibrate", "shapes.float.strata", str(PICTURE), "--augment")
    assert result.exit_code == 0, result.output
    source, again = read_model(shapes / "shapes.strata"), read_model(shapes / "shapes.float.strata")
    picture = read_picture(PICTURE)
    x = as_input(again, picture)
    engine = engine_of(again, Mode.INT8, read_integers(shapes / "shapes.float.integers", again))
    assert engine.formats["convolutional_0"] is not None
    expected = boxes(source, engine_of(source, Mode.FLOAT, Integers()).run(x), picture.size, 0.25)
    pairing = match_boxes(expected, boxes(again, engine.run(x), picture.size, 0.25))
    assert pairing.matched_fraction >= 0.8


def test_its_heads_are_found_by_a_model_file_that_says_it_detects(shapes: Path) -> None:
    text = "name: again\nweights: file://shapes.float.onnx\ninput: {size: [192, 192], fit: letterbox}\n"
    (shapes / "again.yaml").write_text(text + "detection: {threshold: 0.3}\n")
    again, source = open_declared(read_model_file(shapes / "again.yaml")), read_model(shapes / "shapes.strata")
    assert layers_of(again) == layers_of(source)
    assert again.classes == source.classes


def _like_yolov2() -> EngineModel:
    """Its reorg, and a head whose anchors are in cells."""
    g = torch.Generator().manual_seed(0)
    layers = (
        Layer("conv", Conv2d(torch.randn(8, 3, 3, 3, generator=g), torch.ones(8), padding=(1, 1)), (INPUT,)),
        Layer("reorg", Reorg(2), ("conv",)),
        Layer("raw", Conv2d(torch.randn(14, 32, 1, 1, generator=g), torch.ones(14)), ("reorg",)),
        Layer("region", Region(2, ((0.5, 0.75), (2.0, 1.5))), ("raw",)),
    )
    return EngineModel("like-yolov2", Graph((3, 64, 64), layers, ("region",)), ("a", "b"), None, "drawn", trained=False)


def _named(name: str) -> EngineModel:
    return open_named(name, Catalog([]), "random://0", 64)


@pytest.mark.parametrize(
    "make",
    [_like_yolov2, partial(_named, "yolov3-tiny"), partial(_named, "yolov4-tiny")],
    ids=["yolov2", "yolov3-tiny", "yolov4-tiny"],
)
def test_darknets_networks_come_back_with_the_same_answers(make: Callable[[], EngineModel], tmp_path: Path) -> None:
    source = make()
    again = import_program(exported(source, tmp_path))
    assert layers_of(again) == layers_of(source)
    assert (again.labels, again.classes, again.trained) == (source.labels, source.classes, False)
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    found, expected = again.graph.run(x), source.graph.run(x)
    for output in source.graph.outputs:
        torch.testing.assert_close(found[output], expected[output], rtol=1e-4, atol=1e-4)


def test_a_classifier_comes_back_with_its_pictures_as_they_were_made_ready(tmp_path: Path) -> None:
    """Its scores are [N, K, 1, 1], as darknet19's are."""
    spec = InputSpec((8, 8), 10, (0.5, 0.5, 0.5), (0.25, 0.25, 0.25), "bicubic")
    layers = (
        Layer(
            "conv", Conv2d(torch.randn(2, 3, 1, 1, generator=torch.Generator().manual_seed(0)), torch.ones(2)), (INPUT,)
        ),
        Layer("mean", GlobalAvgPool(), ("conv",)),
        Layer("shares", Softmax(), ("mean",)),
    )
    source = EngineModel("two", Graph((3, 8, 8), layers, ("shares",)), ("a", "b"), spec, "drawn here", trained=False)
    again = import_program(exported(source, tmp_path))
    assert layers_of(again) == layers_of(source)
    assert (again.input_spec, again.labels, again.trained) == (spec, ("a", "b"), False)


def test_a_program_in_integers_is_told_from_one_in_float(place: Path) -> None:
    assert quant(place, "export", "small.strata", "-o", "programs", "--format", "onnx").exit_code == 0
    refused = quant(place / "programs", "import", "small.onnx").exception
    assert isinstance(refused, Unsupported)
    assert "of a program in integers; take the one in float32" in str(refused)


Entries = list[dict[str, Any]]
Change = Callable[[Entries], object]


def _heads_set(**parameters: object) -> Change:
    return lambda heads: heads[0]["parameters"].update(parameters)


@pytest.mark.parametrize(
    ("change", "kind", "message"),
    [
        (_heads_set(anchors=[[10.0, 14.0]]), InvalidDeclaration, r"'raw' has 14 channels; a head of 1 anchors and 2"),
        (_heads_set(anchors=[]), InvalidDeclaration, "has 14 channels; a head of 0 anchors and 2 classes reads 0"),
        (_heads_set(classes=3), InvalidDeclaration, r"2 anchors and 3 classes reads 2 \* \(5 \+ 3\) = 16"),
        (_heads_set(classes=-4, anchors=[[1.0, 1.0]] * 14), DamagedFile, "'head' is no head"),
        (_heads_set(anchors=["wide"]), DamagedFile, "anchors of Yolo cannot be"),
        (lambda heads: heads[0]["parameters"].pop("anchors"), DamagedFile, f"{HEADS} of its metadata holds no heads"),
        (
            lambda heads: heads[0].update(inputs=["row"]),
            InvalidDeclaration,
            "no node gives .* 'row'; did you mean 'raw'",
        ),
        (lambda heads: heads[0].update(inputs=["x", "y"]), DamagedFile, "holds no heads"),
        (lambda heads: heads[0].update(inputs=[1]), DamagedFile, "is no text"),
        (lambda heads: heads[0].update(operation="Softmax", parameters={}), DamagedFile, "'head' is no head"),
        (lambda heads: heads.append(heads[0]) or heads.insert(0, {}), DamagedFile, "holds no heads: 'name'"),
        (
            lambda heads: heads.clear(),
            InvalidDeclaration,
            r"float \[N, 14, 32, 32\] \('head'\); .*declared in a model file",
        ),
    ],
)
def test_heads_that_were_changed_in_the_file_are_refused(
    change: Change, kind: type[StrataError], message: str, model: EngineModel, tmp_path: Path
) -> None:
    path = exported(model, tmp_path)
    heads = json.loads(metadata(path)[HEADS])
    change(heads)
    with pytest.raises(kind, match=f"{path}.*{message}"):
        import_program(rewritten(path, {HEADS: json.dumps(heads)}))


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("{", "is no JSON object"),
        ("[]", "is no JSON object"),
        ("{}", "the header lacks 'trained'"),
        ('{"trained": true, "labels": [1], "input_spec": null}', "a broken header"),
    ],
)
def test_what_else_was_changed_in_the_file_is_refused(
    header: str, message: str, model: EngineModel, tmp_path: Path
) -> None:
    path = exported(model, tmp_path)
    with pytest.raises(DamagedFile, match=f"{path}: {MODEL} of its metadata.*{message}"):
        import_program(rewritten(path, {MODEL: header}))


def test_heads_alone_make_a_detector_of_letterboxed_pictures(model: EngineModel, tmp_path: Path) -> None:
    path = exported(model, tmp_path)
    program = onnx.load(path)
    helper.set_model_props(program, {HEADS: metadata(path)[HEADS]})
    onnx.save(program, path)
    again = import_program(path)
    assert (again.detects, again.classes, again.input_spec, again.labels) == (True, 2, None, ())


def metadata(path: Path) -> dict[str, str]:
    return {each.key: each.value for each in onnx.load(path).metadata_props}


def rewritten(path: Path, entries: dict[str, str]) -> Path:
    """The program with other metadata, in its own place."""
    program = onnx.load(path)
    helper.set_model_props(program, metadata(path) | entries)
    onnx.save(program, path)
    return path
