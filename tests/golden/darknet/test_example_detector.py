"""The shipped detector: the same boxes as Debian's darknet finds, and int8 as good as float."""

import numpy as np
import pytest
import torch
from PIL import Image

from examples.detector.evaluate import FOLDER, measure
from quant.engine import Engine
from quant.operations import Yolo
from quant.precision import Mode, uniform_plan
from services.bench import libdarknet
from services.zoo.darknet.build import DarknetModel, load_model
from services.zoo.darknet.pictures import letterbox
from services.zoo.detection import Size, detect, match_boxes
from tests.golden.darknet.needs import needs_darknet

CFG, WEIGHTS = FOLDER / "shapes.cfg", FOLDER / "shapes.weights"
PICTURES = sorted((FOLDER / "pictures").glob("*.jpg"))


@pytest.fixture(scope="module")
def model() -> DarknetModel:
    return load_model(CFG, WEIGHTS)


def test_the_weights_ship_within_5_megabytes() -> None:
    assert WEIGHTS.stat().st_size <= 5_000_000
    assert len(PICTURES) >= 3


@needs_darknet
@pytest.mark.parametrize("path", PICTURES, ids=lambda path: path.stem)
def test_the_engine_in_float_finds_darknets_boxes(path: object, model: DarknetModel) -> None:
    picture = np.asarray(Image.open(path))  # type: ignore[arg-type]
    size, x = Size(*picture.shape[:2]), letterbox(picture, *model.network.input_shape[1:])
    with libdarknet.loaded(CFG, WEIGHTS) as darknet:
        darknet.outputs(x)
        theirs = darknet.detections(*size, 0.5, 0.45)
    outputs = Engine(model.graph, uniform_plan(model.graph, Mode.FLOAT)).run(torch.from_numpy(x)[None])
    heads = [
        (head, outputs[name][0].numpy())
        for name in model.graph.outputs
        if isinstance(head := model.graph.layer(name).operation, Yolo)
    ]
    ours = detect(heads, Size(*model.network.input_shape[1:]), size)
    agreement = match_boxes(ours, theirs, least_iou=0.999)
    assert len(agreement.pairs) == len(ours) == len(theirs) > 0
    assert max(abs(one.score - other.score) for one, other in agreement.pairs) < 1e-4


def test_int8_loses_at_most_one_point(model: DarknetModel) -> None:
    precisions = measure(model.graph, 80, (Mode.FLOAT, Mode.INT8))
    assert precisions["float"].mean > 0.7
    assert precisions["int8"].mean >= precisions["float"].mean - 0.01
