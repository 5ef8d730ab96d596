"""What int8 and auto do to answers of networks that others trained, on photographs that calibration has not seen.

    python -m services.bench.quant_pretrained NAME [--quick]

prints one JSON object.
"""

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from quant.engine import Engine
from quant.precision import Mode
from services.bench import libdarknet
from services.bench.photographs import DARKNETS, photographs
from services.bench.quant_speed import block, speed_figures
from services.bench.rounds import interleave
from services.edge.progress import Progress
from services.workbench.calibrating import MAX_DROP, calibrate_model
from services.workbench.engines import engine_of
from services.workbench.findings import agreement, boxes
from services.workbench.judging import DETECTION_THRESHOLD, LEAST_SCORE
from services.workbench.margins import points_lost
from services.workbench.opening import open_model
from services.workbench.picture_files import PictureFiles, read_picture
from services.workbench.pictures import as_input, augmented
from services.zoo.catalog import default_catalog
from services.zoo.detection import Detection, average_precision, match_boxes
from services.zoo.pretrained import PRETRAINED, fetch_pretrained, kept_folder

DETECTOR = "yolov3-tiny"
THRESHOLD, SUPPRESSION_IOU = 0.3, 0.45
FOLDS = 2
"""Each picture is answered by integers that the pictures of the other folds were calibrated on."""
ROUNDS, QUICK_ROUNDS = 5, 3
QUICK_EVERY, QUICK_FOLDS = 4, 1
"""Of the photographs, and of the folds those that are answered, where the benchmark is only tried."""


class HeldOut:
    """A trained model on pictures that it was not calibrated on, in float, int8 and auto, five augmentations of each.

    Args:
        photographs: at least FOLDS.
        folds: how many of FOLDS are answered; each is calibrated for anew.

    Attributes:
        paths: of the pictures that are answered, one fold's after another's.
        answers: by mode, of each picture those of its copies.
        engines: by mode, of the first fold; the plan of auto is chosen as `strata quant calibrate --auto` does.
    """

    def __init__(self, name: str, photographs: Sequence[Path], folds: int, progress: Progress) -> None:
        fetch_pretrained(name, report=progress)
        self.model = open_model(name, default_catalog(os.environ), f"{PRETRAINED}{name}")
        splits = split(photographs, folds)
        self.paths = [path for held_out, _ in splits for path in held_out]
        self.pictures = [list(augmented(read_picture(path))) for path in self.paths]
        self.inputs = [[as_input(self.model, each) for each in group] for group in self.pictures]
        engines = [self._engines(seen, progress) for _, seen in splits]
        self.engines = engines[0]
        progress(f"{name}: answering")
        of_path = [own for own, (held_out, _) in zip(engines, splits, strict=True) for _ in held_out]
        self.answers = {
            mode: [[own[mode].run(x) for x in group] for own, group in zip(of_path, self.inputs, strict=True)]
            for mode in self.engines
        }

    def all_answers(self, mode: Mode) -> list[dict[str, Tensor]]:
        """Those of a mode, one picture's copies after another's."""
        return [each for group in self.answers[mode] for each in group]

    def _engines(self, seen: Sequence[Path], progress: Progress) -> dict[Mode, Engine]:
        progress(f"{self.model.name}: calibrating on {len(seen)} photographs")
        files = PictureFiles(seen)
        found = calibrate_model(self.model, files, augment=True, clock=time.perf_counter, max_drop=MAX_DROP)
        assert found.front
        progress(f"{self.model.name}: auto takes {found.front.choice.chosen}: {found.front.choice.reason}")
        return {mode: engine_of(self.model, mode, found.integers) for mode in Mode}


def split(photographs: Sequence[Path], folds: int) -> list[tuple[list[Path], list[Path]]]:
    """Of each of the first `folds` folds the photographs that are answered, and those that it is calibrated on."""
    numbered = list(enumerate(photographs))
    return [
        (
            [path for number, path in numbered if number % FOLDS == fold],
            [path for number, path in numbered if number % FOLDS != fold],
        )
        for fold in range(folds)
    ]


def detector_figures(held: HeldOut) -> dict[str, float]:
    """`pretrained.boxes`, of Darknet's boxes those that ours has, in float and in int8; `pretrained.map_drop`."""
    figures = dict[str, float]()
    if libdarknet.available():
        darknets = [number for number, path in enumerate(held.paths) if path.parent == DARKNETS]
        wanted = [_darknets_boxes(held.pictures[number][0].pixels) for number in darknets]
        for key, mode, least_iou, apart in (("", Mode.FLOAT, 0.9, 0.02), (".int8", Mode.INT8, 0.75, 0.1)):
            found = [_boxes(held, mode, number, 0, THRESHOLD - apart) for number in darknets]
            figures[f"pretrained.boxes{key}"] = _share_found(wanted, found, least_iou, apart)
    places = [(number, copy) for number, group in enumerate(held.pictures) for copy in range(len(group))]
    truth = [_boxes(held, Mode.FLOAT, *place, THRESHOLD) for place in places]
    curves = {
        mode: average_precision([_boxes(held, mode, *place, LEAST_SCORE) for place in places], truth).mean
        for mode in (Mode.FLOAT, Mode.INT8, Mode.AUTO)
    }
    drops = {mode: 100 * (curves[Mode.FLOAT] - curves[mode]) for mode in (Mode.INT8, Mode.AUTO)}
    return figures | {"pretrained.map_drop": drops[Mode.INT8], "pretrained.map_drop.auto": drops[Mode.AUTO]}


def _boxes(held: HeldOut, mode: Mode, number: int, copy: int, threshold: float) -> list[Detection]:
    return boxes(held.model, held.answers[mode][number][copy], held.pictures[number][copy].size, threshold)


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


def classifier_figures(held: HeldOut) -> dict[str, float]:
    """`pretrained.top1_agreement`, the share of the pictures of which int8 names float's class, and that of auto."""
    return {
        "pretrained.top1_agreement": _top1_agreement(held, Mode.INT8),
        "pretrained.top1_agreement.auto": _top1_agreement(held, Mode.AUTO),
    }


def _top1_agreement(held: HeldOut, mode: Mode) -> float:
    return agreement(held.model, held.all_answers(Mode.FLOAT), held.all_answers(mode), DETECTION_THRESHOLD).fraction


def points_lost_held_out(held: HeldOut) -> dict[str, float]:
    """What int8 and auto lose of float's answers on pictures that they were not calibrated on, by their margins."""
    wanted = held.all_answers(Mode.FLOAT)
    return {
        f"pretrained.points_lost.{mode}": points_lost(held.model, wanted, held.all_answers(mode), DETECTION_THRESHOLD)
        for mode in (Mode.INT8, Mode.AUTO)
    }


def auto_speed(held: HeldOut, int8_lost: float, rounds: int) -> dict[str, float]:
    """See `speed_figures`; the loss of int8 is that on the pictures it was not calibrated on."""
    x = held.inputs[0][0]
    runs = {mode.value: block(lambda engine=engine: engine.run(x)) for mode, engine in held.engines.items()}  # type: ignore[misc]
    return speed_figures(interleave(runs, rounds), int8_lost)


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("name")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args(arguments)
    torch.set_num_threads(1)
    progress = partial(print, file=sys.stderr, flush=True)
    paths = photographs(progress)[:: QUICK_EVERY if given.quick else 1]
    held = HeldOut(given.name, paths, QUICK_FOLDS if given.quick else FOLDS, progress)
    figures = detector_figures(held) if given.name == DETECTOR else classifier_figures(held)
    figures |= points_lost_held_out(held)
    progress(f"{given.name}: timing")
    rounds = QUICK_ROUNDS if given.quick else ROUNDS
    print(json.dumps(figures | auto_speed(held, figures[f"pretrained.points_lost.{Mode.INT8}"], rounds)))


if __name__ == "__main__":
    main(sys.argv[1:])
