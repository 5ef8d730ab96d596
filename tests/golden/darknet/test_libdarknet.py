"""Our networks against Debian's darknet of 2018: same cfg, same weights, same picture."""

import re
from pathlib import Path

import numpy as np
import pytest
import torch

from quant.operations import Region, Yolo
from services.bench import libdarknet
from services.bench.libdarknet import Floats
from services.edge.errors import InvalidDeclaration
from services.zoo.darknet.build import DarknetModel, load_model, load_network
from services.zoo.darknet.cfg import parse_cfg, write_cfg
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.networks import NAMES, describe
from services.zoo.darknet.pictures import letterbox
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.weights import write_weights
from services.zoo.detection import Detection, Size, detect
from tests.golden.darknet.needs import needs_darknet

BAR = 1e-4
"""The largest difference allowed in any layer: of its largest element, over the layer's largest magnitude."""

pytestmark = needs_darknet
PICTURE = Size(120, 160)
THRESHOLDS = {"yolov2": 0.01, "yolov2-tiny": 0.01, "yolov3": 0.7, "yolov3-spp": 0.7, "yolov3-tiny": 0.3}
KNOWN_TO_DARKNET = [name for name in NAMES if name != "yolov4-tiny"]
AT_FULL_WIDTH = ("yolov2-tiny", "yolov3-tiny")


def relative_error(found: Floats, expected: Floats) -> float:
    """max |found - expected| / max |expected|."""
    return float(np.abs(found - expected).max() / np.abs(expected).max())


def write_model(folder: Path, name: str, text: str) -> tuple[Path, Path]:
    cfg, weights = folder / f"{name}.cfg", folder / f"{name}.weights"
    cfg.write_text(text)
    network = load_network(cfg)
    with weights.open("wb") as stream:
        write_weights(stream, network, random_weights(network, 7))
    return cfg, weights


def narrowed(cfg: str) -> str:
    """A quarter of the channels in all layers but those before a head: Darknet takes seconds to load full ones."""

    def quarter(filters: re.Match[str]) -> str:
        return f"filters={int(filters[1]) // 4}"

    return "".join(
        re.sub(r"filters *= *(\d+)", quarter, part) if "batch_normalize" in part else part
        for part in re.split(r"(?m)^(?=\[)", cfg)
    )


def layer_values(model: DarknetModel, x: Floats) -> list[Floats]:
    with torch.inference_mode():
        values = {name: value.numpy() for name, value in model.graph.values(torch.from_numpy(x)[None])}
    return [values[name][0].ravel() for name in model.values]


def random_picture(height: int, width: int) -> np.ndarray[tuple[int, int, int], np.dtype[np.uint8]]:
    """Smooth colours with some noise: no layer sees just a mean."""
    random = np.random.default_rng(3)
    rows, columns = np.mgrid[0:height, 0:width]
    waves = [np.sin(rows / (5 + 3 * k)) * np.cos(columns / (9 - 2 * k)) for k in range(3)]
    noisy = 128 + 90 * np.stack(waves, 2) + random.normal(0, 12, (height, width, 3))
    return noisy.clip(0, 255).astype(np.uint8)


def compare_layers(
    cfg: Path, weights: Path, size: int, threshold: float | None = None
) -> tuple[DarknetModel, list[Floats], list[Detection]]:
    """Demand that every layer agrees; give the model, our layers' values, and Darknet's boxes."""
    model, x = load_model(cfg, weights), letterbox(random_picture(*PICTURE), size, size)
    ours = layer_values(model, x)
    with libdarknet.loaded(cfg, weights) as darknet:
        theirs = darknet.outputs(x)
        boxes = darknet.detections(*PICTURE, threshold, 0.45) if threshold else []
    assert len(ours) == len(theirs)
    for layer, found, expected in zip(model.network.layers, ours, theirs, strict=True):
        assert relative_error(found, expected) <= BAR, layer.name
    return model, ours, boxes


def find_boxes(model: DarknetModel, values: list[Floats], threshold: float) -> list[Detection]:
    size = Size(*model.network.input_shape[1:])
    heads = [
        (layer.operation, values[layer.index].reshape(layer.shape))
        for layer in model.network.layers
        if isinstance(layer.operation, Yolo | Region)
    ]
    return detect(heads, size, PICTURE, threshold=threshold)


def numbers(boxes: list[Detection]) -> Floats:
    """[D, 6]: label, score, box; in an order that does not depend on ties."""
    rows = [(box.label, box.score, *box.box) for box in boxes]
    return np.array(sorted(rows, key=lambda row: (row[0], -round(row[1], 4), round(float(row[2]), 3))), np.float32)


@pytest.mark.parametrize("name", KNOWN_TO_DARKNET)
def test_every_layer_and_box_is_the_programs(name: str, tmp_path: Path) -> None:
    cfg = write_cfg(describe(name, size=64))
    files = write_model(tmp_path, name, cfg if name in AT_FULL_WIDTH else narrowed(cfg))
    model, values, expected = compare_layers(*files, 64, THRESHOLDS.get(name))
    if name in THRESHOLDS:
        found = find_boxes(model, values, THRESHOLDS[name])
        assert len(found) == len(expected) >= 5
        np.testing.assert_allclose(numbers(found), numbers(expected), rtol=1e-3, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["yolov3-tiny"])
def test_every_layer_is_the_programs_at_full_size(name: str, tmp_path: Path) -> None:
    compare_layers(*write_model(tmp_path, name, narrowed(write_cfg(describe(name, size=416)))), 416)


@pytest.mark.parametrize("name", ["resnet18", "resnet50", "yolov3-openimages"])
def test_every_layer_of_a_stock_cfg_is_the_programs(name: str, tmp_path: Path) -> None:
    """Shortcuts of other depth and of other size; `batch` twice, with training's values."""
    text = (libdarknet.STOCK_CFGS / f"{name}.cfg").read_text()
    compare_layers(*write_model(tmp_path, name, narrowed(re.sub(r"(?m)^(width|height) *=.*", r"\1=64", text))), 64)


REFUSED = {
    **dict.fromkeys(("alexnet", "extraction.conv", "extraction22k", "t1.test", "yolov1-tiny"), "[connected]"),
    **dict.fromkeys(("strided", "vgg-16"), "[crop]"),
    **dict.fromkeys(("go", "go.test"), "[reorg] extra"),
    **dict.fromkeys(("rnn", "rnn.train"), "[rnn]"),
    "cifar.test": "[softmax] temperature",
    "darknet9000": "[softmax] tree",
    "gru": "[gru]",
    "yolo9000": "[region] tree",
    "yolov1": "[local]",
}


@pytest.mark.parametrize("path", sorted(libdarknet.STOCK_CFGS.glob("*.cfg")), ids=lambda path: str(path.stem))
def test_every_stock_cfg_is_read_or_refused_by_the_name_of_what_is_not_supported(path: Path) -> None:
    refused = REFUSED.get(path.stem)
    if refused is None:
        assert load_network(path).layers
        return
    with pytest.raises(InvalidDeclaration, match=f"{re.escape(refused)}.* supported"):
        load_network(path)


@pytest.mark.parametrize("name", KNOWN_TO_DARKNET)
def test_a_described_network_is_the_stock_one(name: str) -> None:
    stock = parse_cfg((libdarknet.STOCK_CFGS / f"{name}.cfg").read_text(), f"{name}.cfg")
    assert read_network(describe(name)) == read_network(stock)


@pytest.mark.parametrize(
    ("height", "width"), [(120, 160), (333, 97), (96, 96), (1, 50), (700, 640)], ids=lambda side: str(side)
)
def test_a_letterboxed_picture_is_the_programs(height: int, width: int) -> None:
    picture = random_picture(height, width)
    planes = picture.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
    np.testing.assert_allclose(letterbox(picture, 96, 128), libdarknet.letterbox(planes, 96, 128), atol=1e-6)
