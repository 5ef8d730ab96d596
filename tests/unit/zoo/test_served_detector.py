"""A detector declared in a model file: compiled to the engine's codes, and served as boxes."""

import shutil
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

from quant.engine import Engine
from quant.precision import Mode
from services.edge.errors import InvalidDeclaration, InvalidWeights, StrataError, Unsupported
from services.model.detections import NO_LABEL, detections
from services.model.tensors import Tensor
from services.workbench.calibrating import calibrate_model
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.findings import boxes
from services.workbench.opening import import_darknet, open_declared
from services.workbench.picture_files import PictureFiles, read_picture
from services.workbench.pictures import as_input
from services.zoo.detection import Detection, iou
from services.zoo.integer_codec import encode_integers
from services.zoo.integers import Integers
from services.zoo.manifest import Manifest
from services.zoo.model_compile import compile_model
from services.zoo.model_file import ModelFile, read_model_file
from services.zoo.onnx_form.agreement import compare_codes
from services.zoo.onnx_form.part import EnginePart
from services.zoo.onnx_form.program import JOINED
from services.zoo.onnx_form.runs import RUNS
from services.zoo.serving import load_forward
from services.zoo.serving import read_picture as read_encoded
from services.zoo.stage_compile import Cutting, compile_stages

DETECTOR = Path(__file__).resolve().parents[3] / "examples" / "detector"
PICTURES = [DETECTOR / "pictures" / f"shapes-{number}.jpg" for number in (11, 2)]
FLOAT = (
    "name: shapes\narchitecture: darknet\ncfg: shapes.cfg\nweights: file://shapes.weights\nlabels: shapes.names\n"
    "input: {size: [192, 192], fit: letterbox}\n"
)
INT8 = "precision: int8\nintegers: shapes.integers\n"


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> tuple[EngineModel, Integers]:
    model = import_darknet(DETECTOR / "shapes.cfg", DETECTOR / "shapes.weights")
    return model, calibrate_model(model, PictureFiles(PICTURES)).integers


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, opened: tuple[EngineModel, Integers]) -> Path:
    folder = tmp_path_factory.mktemp("models")
    for name in ("shapes.cfg", "shapes.weights", "shapes.names"):
        shutil.copy(DETECTOR / name, folder)
    (folder / "shapes.integers").write_bytes(encode_integers(*opened))
    return folder


def declare(folder: Path, text: str) -> ModelFile:
    (folder / "shapes.yaml").write_text(text)
    return read_model_file(folder / "shapes.yaml")


def engine_in(opened: tuple[EngineModel, Integers], mode: Mode) -> Engine:
    model, integers = opened
    return engine_of(model, mode, integers)


def boxes_in(outputs: tuple[Tensor, ...], picture: int) -> list[Detection]:
    found, scores, labels = (output.values for output in outputs)
    assert not isinstance(found, list)
    assert not isinstance(scores, list)
    assert not isinstance(labels, list)
    return [
        Detection(int(label), float(score), *map(float, box))
        for box, score, label in zip(found[picture], scores[picture], labels[picture], strict=True)
        if label != NO_LABEL
    ]


def test_what_is_served_of_a_detector_has_the_codes_of_what_is_inspected(
    place: Path, opened: tuple[EngineModel, Integers], tmp_path: Path
) -> None:
    folder = compile_model(declare(place, FLOAT + INT8), tmp_path, "onnxruntime")
    part = EnginePart(engine_in(opened, Mode.INT8))
    served = onnx.load(folder / "model.onnx")
    assert [output.name for output in served.graph.output] == [JOINED]
    names = [layer.name for layer in part.layers]
    served.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    x = as_input(opened[0], read_picture(PICTURES[0]))
    errors = compare_codes(part, x, RUNS["onnxruntime"](served, x.numpy()))
    assert errors.codes > 100_000
    assert errors.only_ties


@pytest.mark.parametrize(("text", "mode"), [(FLOAT, Mode.FLOAT), (FLOAT + INT8, Mode.INT8)])
def test_boxes_of_a_served_detector_are_those_of_the_engine(
    text: str, mode: Mode, place: Path, opened: tuple[EngineModel, Integers], tmp_path: Path
) -> None:
    """Both pictures in one request, as fractions of each picture."""
    model, engine = opened[0], engine_in(opened, mode)
    folder = compile_model(declare(place, text), tmp_path)
    manifest = Manifest.read(folder)
    assert manifest.detection is not None
    assert len(manifest.labels) == model.classes
    encoded = [path.read_bytes() for path in PICTURES]
    batch = np.stack([read_encoded(manifest.input_spec, data) for data in encoded])
    scores = load_forward(manifest.runtime, folder, 1)(batch)
    served = detections(manifest.detection, manifest.input_spec, scores, encoded)
    assert [(each.name, each.datatype) for each in served] == [
        ("boxes", "FP32"),
        ("scores", "FP32"),
        ("labels", "INT32"),
    ]
    for number, path in enumerate(PICTURES):
        picture = read_picture(path)
        x = as_input(model, picture)
        assert torch.equal(x[0], torch.from_numpy(batch[number]))
        expected = boxes(model, engine.run(x), picture.size, manifest.detection.threshold)
        found = boxes_in(served, number)
        assert len(expected) > 0
        assert [box.label for box in found] == [box.label for box in expected]
        # Codes in the middle between two go either way, and move scores; of two boxes of one thing either may be kept.
        least_iou, apart = (0.98, 0.001) if mode is Mode.FLOAT else (0.75, 0.1)
        for one, other in zip(found, expected, strict=True):
            assert one.score == pytest.approx(other.score, abs=apart)
            assert float(iou(one.box, other.box[None])[0]) >= least_iou


def test_a_declared_detector_is_inspected_as_its_cfg_is(place: Path, opened: tuple[EngineModel, Integers]) -> None:
    model = open_declared(declare(place, FLOAT))
    assert (model.digest, len(model.labels)) == (opened[0].digest, model.classes)
    with pytest.raises(InvalidDeclaration, match="classes and 1 labels"):
        open_declared(declare(place, FLOAT.replace("shapes.names", "[one]")))


def test_pictures_with_fewer_boxes_have_places_without_a_label(place: Path, tmp_path: Path) -> None:
    folder = compile_model(declare(place, FLOAT + "detection: {threshold: 0.4}\n"), tmp_path, "onnxruntime")
    manifest = Manifest.read(folder)
    assert manifest.detection is not None
    assert manifest.detection.threshold == 0.4
    grey = tmp_path / "grey.png"
    Image.new("RGB", (60, 40), "grey").save(grey)
    encoded = [PICTURES[0].read_bytes(), grey.read_bytes()]
    batch = np.stack([read_encoded(manifest.input_spec, data) for data in encoded])
    scores = load_forward(manifest.runtime, folder, 1)(batch)
    outputs = detections(manifest.detection, manifest.input_spec, scores, encoded)
    assert len(boxes_in(outputs, 0)) == outputs[0].shape[1] >= 1
    assert boxes_in(outputs, 1) == []
    alone = detections(manifest.detection, manifest.input_spec, scores[1:], encoded[1:])
    assert [each.shape for each in alone] == [(1, 1, 4), (1, 1), (1, 1)]


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        (FLOAT.replace("cfg: shapes.cfg\n", ""), InvalidDeclaration, "architecture darknet and cfg: FILE go together"),
        (FLOAT.replace(", fit: letterbox", ""), InvalidDeclaration, "have input .* fit: letterbox"),
        (FLOAT.replace("letterbox}", "letterbox, mean: [0, 0, 0]}"), InvalidDeclaration, "leave mean out"),
        (FLOAT.replace("192, 192", "320, 320"), InvalidDeclaration, r"takes \[N, 3, 192, 192\]"),
        (FLOAT.replace("shapes.names", "[one]"), InvalidDeclaration, "classes and 1 labels"),
        (FLOAT.replace("file://shapes.weights", "file://shapes.names"), InvalidWeights, "shapes.names"),
        (FLOAT.replace("file://shapes.weights", "torchvision://X"), InvalidDeclaration, "torchvision has no weights"),
        (
            FLOAT + "detection: {heads: [{value: raw, anchors: [[1, 1]]}]}\n",
            InvalidDeclaration,
            "leave detection.heads out: a Darknet network's stand in its cfg",
        ),
        (FLOAT + "runtime: torch\n", InvalidDeclaration, "runtime torch does not run Darknet's networks"),
    ],
)
def test_faults_of_a_declared_detector_are_named_and_nothing_is_written(
    text: str, kind: type[StrataError], message: str, place: Path, tmp_path: Path
) -> None:
    with pytest.raises(kind, match=message):
        compile_model(declare(place, text), tmp_path)
    assert not list(tmp_path.iterdir())


def test_stages_of_a_detector_are_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="served whole"):
        compile_stages(declare(place, FLOAT + INT8), Cutting(stages=2), tmp_path, "auto")
