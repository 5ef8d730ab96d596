"""What int8 does to the answers of the networks that others trained, on photographs that calibration has not seen.

    python -m services.bench.quant_pretrained

prints one JSON object.
"""

import json
import os
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from quant.calibration import calibrate
from quant.engine import Engine
from quant.observations import observe
from quant.precision import Mode
from services.bench import libdarknet
from services.bench.photographs import DARKNETS, photographs
from services.edge.progress import Progress
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.findings import boxes, top_classes
from services.workbench.opening import open_model
from services.workbench.picture_files import read_picture
from services.workbench.pictures import as_input, augmented
from services.zoo.catalog import default_catalog
from services.zoo.detection import Detection, average_precision, match_boxes
from services.zoo.integers import Integers
from services.zoo.pretrained import PRETRAINED, fetch_pretrained, kept_folder

DETECTOR, CLASSIFIERS = "yolov3-tiny", ("efficientnet-lite0", "efficientnet-lite1", "efficientnet-lite2")
THRESHOLD, SUPPRESSION_IOU = 0.3, 0.45
LEAST_SCORE = 0.01
"""Of a box that counts in a precision-recall curve."""
FOLDS = 2
"""Each picture is answered by integers that the pictures of the other folds were calibrated on."""

Answers = Sequence[Mapping[str, Tensor]]


class HeldOut:
    """A trained model on every picture, in float and in int8; pictures times five augmentations."""

    def __init__(self, name: str, paths: Sequence[Path], progress: Progress) -> None:
        fetch_pretrained(name, report=progress)
        self.model = open_model(name, default_catalog(os.environ), f"{PRETRAINED}{name}")
        self.paths = paths
        self.pictures = [list(augmented(read_picture(path))) for path in paths]
        self.inputs = [[as_input(self.model, each) for each in group] for group in self.pictures]
        in_float = engine_of(self.model, Mode.FLOAT, Integers())
        engines = [self._calibrated(fold, progress) for fold in range(FOLDS)]
        progress(f"{name}: answering")
        self.float = [[in_float.run(x) for x in group] for group in self.inputs]
        self.int8 = [[engines[number % FOLDS].run(x) for x in group] for number, group in enumerate(self.inputs)]

    def _calibrated(self, fold: int, progress: Progress) -> Engine:
        progress(f"{self.model.name}: calibrating, {fold + 1} of {FOLDS}")
        seen = [x for number, group in enumerate(self.inputs) if number % FOLDS != fold for x in group]
        graph = self.model.graph
        return engine_of(self.model, Mode.INT8, Integers(calibrate(graph.layers, observe(graph, seen)).calibration))


def detector_figures(held: HeldOut) -> dict[str, float]:
    """`pretrained.boxes`, of Darknet's boxes those that ours has, in float and in int8; `pretrained.map_drop`."""
    model, figures = held.model, dict[str, float]()
    if libdarknet.available():
        darknets = [number for number, path in enumerate(held.paths) if path.parent == DARKNETS]
        wanted = [_darknets_boxes(held.pictures[number][0].pixels) for number in darknets]
        for key, answers, least_iou, apart in (("", held.float, 0.9, 0.02), (".int8", held.int8, 0.75, 0.1)):
            found = [_boxes(model, held, answers, number, 0, THRESHOLD - apart) for number in darknets]
            figures[f"pretrained.boxes{key}"] = _share_found(wanted, found, least_iou, apart)
    places = [(number, copy) for number, group in enumerate(held.pictures) for copy in range(len(group))]
    truth = [_boxes(model, held, held.float, *place, THRESHOLD) for place in places]
    curves = {
        mode: average_precision([_boxes(model, held, answers, *place, LEAST_SCORE) for place in places], truth).mean
        for mode, answers in (("float", held.float), ("int8", held.int8))
    }
    return figures | {"pretrained.map_drop": 100 * (curves["float"] - curves["int8"])}


def _boxes(
    model: EngineModel, held: HeldOut, answers: Sequence[Answers], number: int, copy: int, threshold: float
) -> list[Detection]:
    return boxes(model, answers[number][copy], held.pictures[number][copy].size, threshold)


def _darknets_boxes(pixels: Tensor) -> list[Detection]:
    folder = kept_folder(DETECTOR)
    planes = pixels.numpy().astype(np.float32) / np.float32(255)
    with libdarknet.loaded(folder / f"{DETECTOR}.cfg", folder / f"{DETECTOR}.weights") as darknet:
        darknet.outputs(libdarknet.letterbox(planes, 416, 416))
        return darknet.detections(pixels.shape[1], pixels.shape[2], THRESHOLD, SUPPRESSION_IOU)


def _share_found(
    wanted: Sequence[Sequence[Detection]], found: Sequence[Sequence[Detection]], least_iou: float, apart: float
) -> float:
    pairs = [
        pair for one, other in zip(wanted, found, strict=True) for pair in match_boxes(one, other, least_iou).pairs
    ]
    return sum(abs(one.score - other.score) <= apart for one, other in pairs) / sum(map(len, wanted))


def top1_agreement(held: HeldOut) -> float:
    """The share of the pictures of which int8 names float's class."""
    pairs = [
        (one, other)
        for floats, integers in zip(held.float, held.int8, strict=True)
        for one, other in zip(floats, integers, strict=True)
    ]
    same = sum(
        top_classes(held.model, one, 1)[0].label == top_classes(held.model, other, 1)[0].label for one, other in pairs
    )
    return same / len(pairs)


def main() -> None:
    torch.set_num_threads(1)
    progress = partial(print, file=sys.stderr, flush=True)
    paths = photographs(progress)
    figures = detector_figures(HeldOut(DETECTOR, paths, progress))
    agreements = {name: top1_agreement(HeldOut(name, paths, progress)) for name in CLASSIFIERS}
    figures["pretrained.top1_agreement"] = min(agreements.values())
    figures |= {f"pretrained.top1_agreement.{name}": each for name, each in agreements.items()}
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
