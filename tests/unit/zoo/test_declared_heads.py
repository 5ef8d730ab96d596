"""ONNX detectors of others: a model file says on which of their values the heads are, and what they mean."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import onnxruntime
import pytest
import torch
from numpy.typing import NDArray
from onnx import numpy_helper
from PIL import Image

from quant.activation import Activation
from quant.operations import Conv2d, Region, Yolo
from quant.precision import Mode
from services.edge.errors import InvalidDeclaration, InvalidInput, Unsupported
from services.model.detections import detections
from services.model.tensors import Tensor
from services.workbench.engines import engine_of
from services.workbench.files import read_model
from services.workbench.findings import boxes
from services.workbench.opening import open_declared
from services.workbench.pictures import as_input, decode_picture
from services.zoo.detection import Detection, Size, decode, match_boxes
from services.zoo.integers import Integers
from services.zoo.manifest import Manifest
from services.zoo.model_compile import compile_model
from services.zoo.model_file import read_model_file
from services.zoo.serving import load_forward
from services.zoo.stage_compile import Cutting, compile_stages
from tests.unit.workbench.commands import quant

Floats = NDArray[np.float32]

ANCHORS = {"fine": ((4.0, 6.0), (8.0, 5.0)), "coarse": ((14.0, 12.0), (20.0, 28.0))}
"""Two of each head, in pixels; K is 3, so that a head reads 2 * (5 + 3) = 16 channels."""
PROGRAM = """
<ir_version: 9, opset_import: ["" : 17]>
other (float[N, 3, 32, 32] images) => (float[N, 2, 4, 4, 8] boxes_fine, float[N, 2, 2, 2, 8] boxes_coarse)
<int64[5] split_fine = {0, 2, 8, 4, 4}, int64[5] split_coarse = {0, 2, 8, 2, 2}>
{
  c = Conv <kernel_shape = [3, 3], strides = [8, 8], pads = [1, 1, 1, 1]> (images, stem_weight)
  g = Sigmoid (c)
  m = Mul (c, g)
  fine = Conv (m, fine_weight, fine_bias)
  p = MaxPool <kernel_shape = [2, 2], strides = [2, 2]> (m)
  coarse = Conv (p, coarse_weight, coarse_bias)
  apart_fine = Reshape (fine, split_fine)
  boxes_fine = Transpose <perm = [0, 1, 3, 4, 2]> (apart_fine)
  apart_coarse = Reshape (coarse, split_coarse)
  boxes_coarse = Transpose <perm = [0, 1, 3, 4, 2]> (apart_coarse)
}
"""
"""As YOLOv5 is exported for training: of each head the numbers of a box last, in five axes."""
FILE = (
    "name: other\nweights: file://other.onnx\nlabels: [cat, dog, fox]\ninput: {size: [32, 32], fit: letterbox}\n"
    "detection:\n  kind: yolov5\n  threshold: 0.1\n  heads:\n"
    "    - {value: fine, anchors: [[4, 6], [8, 5]]}\n    - {value: coarse, anchors: [[14, 12], [20, 28]]}\n"
)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a stranger's detector, and pictures."""
    folder = tmp_path_factory.mktemp("other")
    program = onnx.parser.parse_model(PROGRAM)
    random = np.random.default_rng(3)

    def weight(name: str, *shape: int) -> None:
        values = random.standard_normal(shape) * (2 / np.prod(shape[1:])) ** 0.5
        program.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))

    weight("stem_weight", 12, 3, 3, 3)
    for head in ANCHORS:
        weight(f"{head}_weight", 16, 12, 1, 1)
        weight(f"{head}_bias", 16)
    onnx.checker.check_model(program, full_check=True)
    onnx.save(program, folder / "other.onnx")
    (folder / "pictures").mkdir()
    for seed in range(3):
        pixels = np.kron(np.random.default_rng(seed).integers(0, 255, (4, 5, 3)), np.ones((9, 9, 1)))
        Image.fromarray(pixels.astype(np.uint8)).save(folder / "pictures" / f"{seed}.png")
    return folder


def declare(folder: Path, text: str) -> Path:
    (folder / "other.yaml").write_text(text)
    return folder / "other.yaml"


def logistic(values: Floats) -> Floats:
    return (1 / (1 + np.exp(-values))).astype(np.float32)


def as_yolov5(raw: Floats, anchors: Floats, cells: NDArray[Any]) -> tuple[Floats, Floats]:
    y = logistic(raw)
    return (y[..., :2] * 2 - 0.5 + cells), (y[..., 2:4] * 2) ** 2 * anchors


def as_yolov3(raw: Floats, anchors: Floats, cells: NDArray[Any]) -> tuple[Floats, Floats]:
    return logistic(raw[..., :2]) + cells, np.exp(raw[..., 2:4]) * anchors


def as_yolov4(raw: Floats, anchors: Floats, cells: NDArray[Any]) -> tuple[Floats, Floats]:
    return logistic(raw[..., :2]) * 1.2 - 0.1 + cells, np.exp(raw[..., 2:4]) * anchors


def in_pixels_of_the_frame(
    folder: Path, x: Floats, form: Callable[..., tuple[Floats, Floats]], softmax: bool
) -> tuple[Floats, Floats]:
    """Boxes [D, 4] as x, y, width, height and scores [D, K], by the formulas of those who trained such detectors."""
    session = onnxruntime.InferenceSession(folder / "other.onnx", providers=["CPUExecutionProvider"])
    found, scores = [], []
    for raw, anchors in zip(session.run(None, {"images": x}), ANCHORS.values(), strict=True):
        _, A, H, W, _ = raw.shape
        stride = 32 / H
        cells = np.stack(np.meshgrid(np.arange(W), np.arange(H)), -1)[None]
        centres, sizes = form(raw[0], np.array(anchors, np.float32).reshape(A, 1, 1, 2), cells)
        found.append(np.concatenate((centres * stride, sizes), -1).reshape(-1, 4))
        classes = np.exp(raw[0, ..., 5:])
        classes = classes / classes.sum(-1, keepdims=True) if softmax else logistic(raw[0, ..., 5:])
        scores.append((logistic(raw[0, ..., 4:5]) * classes).reshape(-1, 3))
    return np.concatenate(found), np.concatenate(scores)


@pytest.mark.parametrize(
    ("kind", "form", "softmax"),
    [
        ("yolov5", as_yolov5, False),
        ("yolov3", as_yolov3, False),
        ("yolov4", as_yolov4, False),
        ("yolov2", as_yolov3, True),
    ],
)
def test_a_strangers_heads_give_the_boxes_of_its_makers_formulas(
    kind: str, form: Callable[..., tuple[Floats, Floats]], softmax: bool, place: Path, tmp_path: Path
) -> None:
    text = FILE.replace("file://other", f"file://{place}/other")
    if kind == "yolov4":
        text = text.replace("yolov5", "yolov3").replace("]]}", "]], scale_x_y: 1.2}")
    elif kind == "yolov2":  # anchors in cells of 8 and of 16 pixels
        text = text.replace("[[4, 6], [8, 5]]", "[[0.5, 0.75], [1, 0.625]]")
        text = text.replace("[[14, 12], [20, 28]]", "[[0.875, 0.75], [1.25, 1.75]]").replace("yolov5", kind)
    else:
        text = text.replace("yolov5", kind)
    model = open_declared(read_model_file(declare(tmp_path, text)))
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    parts = [
        decode(head, values[0].numpy(), Size(32, 32), 0.0)
        for name, values in model.graph.run(x).items()
        if isinstance(head := model.graph.layer(name).operation, Yolo | Region)
    ]
    expected, expected_scores = in_pixels_of_the_frame(place, x.numpy(), form, softmax)
    assert len(expected) == 2 * (4 * 4 + 2 * 2)
    np.testing.assert_allclose(np.concatenate([part.boxes for part in parts]) * 32, expected, rtol=1e-3, atol=1e-3)
    np.testing.assert_allclose(np.concatenate([part.scores for part in parts]), expected_scores, rtol=1e-3, atol=1e-5)


def test_the_logistic_function_before_a_head_becomes_its_convolutions(place: Path) -> None:
    graph = open_declared(read_model_file(declare(place, FILE))).graph
    before = [graph.layer(graph.layer(name).inputs[0]).operation for name in graph.outputs]
    assert [each.activation for each in before if isinstance(each, Conv2d)] == [Activation.SIGMOID] * 2
    assert graph.outputs == ("head_1", "head_2")


def test_a_strangers_detector_is_imported_by_its_model_file_and_runs_in_integers(place: Path) -> None:
    declare(place, FILE)
    for words in (
        ("import", "other.yaml"),
        ("calibrate", "other.strata", "pictures", "--algorithm", "minmax"),
        ("run", "other.strata", "pictures/0.png", "--mode", "int8", "--threshold", "0.1"),
    ):
        result = quant(place, *words)
        assert result.exit_code == 0, result.output
    assert any(label in result.output for label in ("cat", "dog", "fox"))
    model = read_model(place / "other.strata")
    assert (model.labels, model.trained) == (("cat", "dog", "fox"), True)


@pytest.mark.parametrize("precision", ["", "precision: int8\ncalibration: pictures\n"])
def test_a_strangers_detector_is_served_with_boxes(precision: str, place: Path, tmp_path: Path) -> None:
    declared = read_model_file(declare(place, FILE + precision))
    folder = compile_model(declared, tmp_path, "onnxruntime")
    manifest, model = Manifest.read(folder), open_declared(declared)
    assert manifest.detection is not None
    assert [(head.shape, head.anchors) for head in manifest.detection.heads] == [
        ((16, 4, 4), ANCHORS["fine"]),
        ((16, 2, 2), ANCHORS["coarse"]),
    ]
    encoded = (place / "pictures" / "0.png").read_bytes()
    picture = decode_picture(encoded, "0.png")
    x = as_input(model, picture)
    scores = load_forward(manifest.runtime, folder, 1)(x.numpy())
    served = boxes_in(detections(manifest.detection, manifest.input_spec, scores, [encoded]))
    expected = boxes(model, engine_of(model, Mode.FLOAT, Integers()).run(x), picture.size, 0.1)
    assert len(expected) > 1
    assert match_boxes(expected, served).matched_fraction >= (0.7 if precision else 1)


def boxes_in(outputs: tuple[Tensor, ...]) -> list[Detection]:
    found, scores, labels = (np.array(output.values)[0] for output in outputs)
    return [
        Detection(int(label), float(score), *map(float, box))
        for box, score, label in zip(found, scores, labels, strict=True)
    ]


HEADS = FILE[FILE.index("detection:") :]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            FILE.replace("[4, 6], ", ""),
            r"'fine' has 16 channels; a head of 1 anchors and 3 classes reads 1 \* \(5 \+ 3\)",
        ),
        (FILE.replace("[cat, dog, fox]", "[cat, dog]"), "a head of 2 anchors and 2 classes reads .* = 14"),
        (FILE.replace("labels:", "classes: 2\nlabels:"), "a head of 2 anchors and 2 classes reads .* = 14"),
        (FILE.replace(", anchors: [[4, 6], [8, 5]]", ""), r"detection\.heads\.0\.anchors: Field required"),
        (FILE.replace("[[4, 6], [8, 5]]", "[]"), r"detection\.heads\.0\.anchors: Tuple should have at least 1 item"),
        (FILE.replace("[4, 6]", "[4, 0]"), r"detection\.heads\.0\.anchors\.0\.1: Input should be greater than 0"),
        (FILE.replace("labels: [cat, dog, fox]\n", ""), "of so many classes: add classes: NUMBER, or labels"),
        (FILE.replace("value: fine", "value: fin"), r"no node gives the value 'fin'; did you mean 'fine'\?"),
        (FILE.replace("value: fine", "value: zz"), "the value 'zz'; its outputs are 'boxes_fine', 'boxes_coarse'"),
        (
            FILE.replace("value: fine", "value: boxes_fine"),
            r"'boxes_fine' is \[N, 2, 4, 4, 8\]; a head reads \[N, A \*",
        ),
        (FILE.replace(HEADS, ""), "Darknet's networks and ONNX programs with detection, and no others"),
        (FILE.replace(", fit: letterbox", ""), "Darknet's networks and ONNX programs with detection"),
        (FILE.replace(HEADS, "detection: {}\n"), "holds no heads, as programs do .* declare them as detection.heads"),
        (FILE.replace(HEADS, "detection: {kind: yolov5}\n"), "declare these too"),
        (FILE.replace("]]}", "]], scale_x_y: 2}"), "scale_x_y is for kind yolov3"),
        (FILE.replace("32, 32], fit", "64, 64], fit"), r"takes \[N, 3, 32, 32\]; its file says size \[64, 64\]"),
        (
            FILE.replace(HEADS, "").replace(", fit: letterbox", ""),
            r"answers float \[N, 2, 4, 4, 8\] \('boxes_fine'\), .*declared in a model file",
        ),
        (FILE.replace("other.onnx", "other.pt2"), "Darknet's networks and ONNX programs with detection"),
    ],
)
def test_faults_of_declared_heads_are_named(text: str, message: str, place: Path) -> None:
    with pytest.raises(InvalidDeclaration, match=message):
        open_declared(read_model_file(declare(place, text)))


def test_a_strangers_file_alone_is_refused_with_what_to_say_of_it(place: Path) -> None:
    refused = quant(place, "import", "other.onnx").exception
    assert isinstance(refused, InvalidDeclaration)
    for words in ("float [N, 2, 4, 4, 8] ('boxes_fine')", "as `detection` (docs/models.md, Detectors)"):
        assert words in str(refused)
    assert isinstance(quant(place, "import", "other.yaml", "--size", "64").exception, InvalidInput)


def test_stages_of_a_strangers_detector_are_refused(place: Path, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="detectors are served whole"):
        compile_stages(read_model_file(declare(place, FILE)), Cutting(stages=2), tmp_path, "auto")
