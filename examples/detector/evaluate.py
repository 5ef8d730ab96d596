"""Measure the example detector on pictures it never saw: mean average precision in float, hybrid and int8.

python -m examples.detector.evaluate --pictures 500
"""

import argparse
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from examples.detector.scenes import CLASSES, Truth, draw_scene
from quant.calibration import calibrate
from quant.engine import Engine
from quant.graph import Graph
from quant.observations import observe
from quant.operations import Region, Yolo
from quant.precision import Mode, uniform_plan
from services.zoo.darknet.build import load_model
from services.zoo.darknet.pictures import letterbox
from services.zoo.detection import AveragePrecision, Detection, Size, average_precision, detect

FOLDER = Path(__file__).parent
HELD_OUT = range(100_000)
"""Seeds of pictures for measuring; training uses other ones."""
CALIBRATION = range(100_000, 100_064)
"""Seeds of pictures for choosing scales."""

_THRESHOLD = 0.01  # low, so that the whole precision-recall curve is seen


def as_input(graph: Graph, picture: NDArray[np.uint8]) -> Tensor:
    """One picture as the network takes it: [1, 3, H, W], 0 to 1."""
    _, height, width = graph.input_shape
    return torch.from_numpy(letterbox(picture, height, width))[None]


def find_boxes(engine: Engine, inputs: Iterable[Tensor]) -> Iterator[list[Detection]]:
    """The boxes on each input, down to a low score."""
    _, height, width = engine.graph.input_shape
    heads = [(name, engine.graph.layer(name).operation) for name in engine.graph.outputs]
    for x in inputs:
        outputs = engine.run(x)
        found = [(head, outputs[name][0].numpy()) for name, head in heads if isinstance(head, Yolo | Region)]
        yield detect(found, Size(height, width), Size(height, width), threshold=_THRESHOLD)


def true_boxes(truth: Iterable[Truth]) -> list[Detection]:
    """What was drawn, as boxes of score 1."""
    return [Detection(shape.label, 1.0, shape.x, shape.y, shape.width, shape.height) for shape in truth]


def measure(graph: Graph, pictures: int, modes: Iterable[Mode]) -> dict[str, AveragePrecision]:
    """Average precision at IoU 0.5 on the first `pictures` held-out pictures, for each mode (float, hybrid, int8)."""
    scenes = [draw_scene(seed) for seed in HELD_OUT[:pictures]]
    truth = [true_boxes(shapes) for _, shapes in scenes]
    observed = observe(graph, (as_input(graph, draw_scene(seed)[0]) for seed in CALIBRATION))
    calibration = calibrate(graph.layers, observed).calibration
    precisions = {}
    for mode in modes:
        engine = Engine(graph, uniform_plan(graph, mode), calibration)
        found = list(find_boxes(engine, (as_input(graph, picture) for picture, _ in scenes)))
        precisions[mode.value] = average_precision(found, truth)
    return precisions


def main() -> None:
    parser = argparse.ArgumentParser(description="Measure the example detector.")
    parser.add_argument("--pictures", type=int, default=500)
    parser.add_argument("--cfg", type=Path, default=FOLDER / "shapes.cfg")
    parser.add_argument("--weights", type=Path, default=FOLDER / "shapes.weights")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    graph = load_model(arguments.cfg, arguments.weights).graph
    precisions = measure(graph, arguments.pictures, (Mode.FLOAT, Mode.HYBRID, Mode.INT8))
    report = {
        mode: {"map": precision.mean} | {CLASSES[label]: area for label, area in precision.by_label.items()}
        for mode, precision in precisions.items()
    }
    print(json.dumps({"pictures": arguments.pictures, "iou": 0.5, "average_precision": report}, indent=2))


if __name__ == "__main__":
    main()
