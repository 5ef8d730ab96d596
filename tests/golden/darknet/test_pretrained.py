"""The official yolov3-tiny on Darknet's photographs: the boxes are Darknet's own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from quant.engine import Engine
from quant.precision import Mode
from services.bench import libdarknet
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.findings import boxes
from services.workbench.opening import open_model
from services.workbench.pictures import as_input, decode_picture
from services.zoo.catalog import Catalog
from services.zoo.detection import match_boxes
from services.zoo.integers import Integers
from services.zoo.pretrained import kept_folder
from tests.golden.darknet.needs import needs_darknet
from tests.golden.pretrained_here import needs_pretrained

PHOTOGRAPHS = sorted(Path("/usr/share/darknet/data").glob("*.jpg"))
THRESHOLD, SUPPRESSION_IOU = 0.3, 0.45

pytestmark = [needs_darknet, needs_pretrained("yolov3-tiny")]


@pytest.fixture(scope="module")
def model() -> EngineModel:
    return open_model("yolov3-tiny", Catalog([]))


@pytest.fixture(scope="module")
def engine(model: EngineModel) -> Engine:
    return engine_of(model, Mode.FLOAT, Integers())


@pytest.fixture(scope="module")
def darknet() -> Iterator[libdarknet.LoadedNetwork]:
    folder = kept_folder("yolov3-tiny")
    with libdarknet.loaded(folder / "yolov3-tiny.cfg", folder / "yolov3-tiny.weights") as network:
        yield network


@pytest.mark.parametrize("photograph", PHOTOGRAPHS, ids=lambda path: str(path.stem))
def test_float_boxes_are_those_of_darknet(
    photograph: Path, model: EngineModel, engine: Engine, darknet: libdarknet.LoadedNetwork
) -> None:
    picture = decode_picture(photograph.read_bytes(), photograph.name)
    found = boxes(model, engine.run(as_input(model, picture)), picture.size, 0.28)

    planes = picture.pixels.numpy().astype(np.float32) / np.float32(255)
    darknet.outputs(libdarknet.letterbox(planes, 416, 416))
    expected = darknet.detections(*picture.size, THRESHOLD, SUPPRESSION_IOU)
    pairs = match_boxes(expected, found, least_iou=0.9).pairs
    assert len(pairs) == len(expected)
    assert all(abs(theirs.score - ours.score) <= 0.02 for theirs, ours in pairs)


def test_the_names_are_those_of_coco(model: EngineModel) -> None:
    assert (model.classes, len(model.labels), model.label(0), model.label(79)) == (80, 80, "person", "toothbrush")
