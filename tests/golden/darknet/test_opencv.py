"""yolov4-tiny against OpenCV: Debian's darknet of 2018 does not know its route groups and scale_x_y."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from quant.operations import Yolo
from services.zoo.darknet.build import load_model, load_network
from services.zoo.darknet.cfg import write_cfg
from services.zoo.darknet.networks import describe
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.structure import Convolutional, DarknetLayer, Route
from services.zoo.darknet.weights import write_weights
from services.zoo.detection import Size, decode

cv2 = pytest.importorskip("cv2")

BAR = 1e-4  # of a layer's largest difference over its largest magnitude; asked is 1e-3
SIZE = Size(96, 96)


def opencv_name(layer: DarknetLayer) -> str:
    """OpenCV's layer that gives the same value; it counts an activation as the layer after its convolution."""
    match layer.operation:
        case Convolutional(batch_normalize=True):
            return f"leaky_{layer.index + 1}"
        case Convolutional():
            return f"conv_{layer.index}"
        case Route(groups=2):
            return f"slice_{layer.index}"
        case Route():
            return f"{'concat' if len(layer.inputs) > 1 else 'identity'}_{layer.index}"
        case Yolo():
            return f"yolo_{layer.index}"
    return f"{'pool' if layer.kind == 'maxpool' else layer.kind}_{layer.index}"


def opencv_outputs(cfg: Path, weights: Path, x: Any, names: list[str]) -> dict[str, Any]:
    network = cv2.dnn.readNetFromDarknet(str(cfg), str(weights))
    network.setPreferableBackend(cv2.dnn.DNN_BACKEND_OPENCV)
    network.enableFusion(False)
    network.enableWinograd(False)
    network.setInput(x)
    return dict(zip(names, network.forward(names), strict=True))


def test_every_layer_and_box_of_yolov4_tiny_is_opencvs(tmp_path: Path) -> None:
    cfg, weights = tmp_path / "tiny.cfg", tmp_path / "tiny.weights"
    cfg.write_text(write_cfg(describe("yolov4-tiny", size=SIZE.width)))
    network = load_network(cfg)
    with weights.open("wb") as stream:
        write_weights(stream, network, random_weights(network, seed=7))
    model = load_model(cfg, weights)
    x = np.random.default_rng(5).random((1, 3, *SIZE), np.float32)
    with torch.inference_mode():
        values = {name: value[0].numpy() for name, value in model.graph.values(torch.from_numpy(x))}
    theirs = opencv_outputs(cfg, weights, x, [opencv_name(layer) for layer in network.layers])
    for layer, value in zip(network.layers, model.values, strict=True):
        expected = theirs[opencv_name(layer)]
        if not isinstance(layer.operation, Yolo):
            assert np.abs(values[value] - expected[0]).max() <= BAR * np.abs(expected).max(), layer.name
            continue
        # its head gives decoded boxes, one row per predictor: box, objectness, scores
        rows, columns = layer.shape.height, layer.shape.width
        found = decode(layer.operation, values[value], SIZE, threshold=0.3)
        passing = expected.reshape(rows, columns, -1, expected.shape[1]).transpose(2, 0, 1, 3).reshape(expected.shape)
        passing = passing[passing[:, 4] > 0.3]
        assert len(found.boxes) == len(passing) >= 5
        np.testing.assert_allclose(found.boxes, passing[:, :4], rtol=BAR, atol=1e-5)
        sure = found.scores > 0.3
        np.testing.assert_allclose(found.scores[sure], passing[:, 5:][sure], rtol=BAR)
