"""One model made ready for measuring: its graph, its scales, pictures it has seen and pictures it has not."""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from torch import Tensor

from quant.calibration import calibrate
from quant.engine import Engine
from quant.observations import observe
from quant.precision import Mode
from services.bench.photographs import photographs
from services.edge.errors import OtherModel
from services.edge.progress import Progress
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.files import read_integers, write_integers
from services.workbench.front import MeasuredFront, find_front
from services.workbench.judging import JudgedPicture
from services.workbench.opening import open_model
from services.workbench.picture_files import read_picture
from services.workbench.pictures import DecodedPicture, as_input, augmented
from services.zoo.catalog import default_catalog
from services.zoo.integers import Integers
from services.zoo.pretrained import PRETRAINED, fetch_pretrained

ROOT = Path(__file__).resolve().parents[2]
YOLO = ("yolov2", "yolov2-tiny", "yolov3", "yolov3-tiny", "yolov3-spp", "yolov4-tiny")
DARKNET = (*YOLO, "darknet19")
TORCH = ("resnet-18", "resnet-50", "vgg-16", "mobilenet-v2", "efficientnet-b0", "nasnet-a-mobile", "alexnet")
YOLO_SIZE = 416
"""Pixels of a side: all six are measured at one size, three of them are larger by default."""
_CALIBRATION_PICTURES = 8
_SEEN_PICTURES = 16


@dataclass(frozen=True, eq=False)
class Subject:
    """A model and its integers: with random weights calibrated on pictures of shapes on textures, else on photographs.

    Attributes:
        seen: inputs that the plan of `auto` is chosen by; the scales by half of them.
        unseen: as many others; the first of them is what is timed.
    """

    model: EngineModel
    integers: Integers
    seen: list[Tensor]
    unseen: list[Tensor]

    @property
    def calibration_inputs(self) -> list[Tensor]:
        """Those of the seen that scales are chosen by, ours and the peers'."""
        return self.seen[:_CALIBRATION_PICTURES]

    @property
    def x(self) -> Tensor:
        return self.unseen[0]

    def engine(self, mode: Mode) -> Engine:
        """The model ready to run in a mode."""
        return engine_of(self.model, mode, self.integers)


def prepare(name: str, size: int | None = None, cache: Path | None = None) -> Subject:
    """Open a model by name and calibrate it, best algorithm per value and layer; weights per channel.

    Args:
        size: of a Darknet network's input in pixels; 416 for YOLO, else its own by default.
        cache: a folder in which the scales are kept for the next time.
    """
    size = size or (YOLO_SIZE if name in YOLO else None)
    model = open_model(name, default_catalog(os.environ), "random://0", size if name in DARKNET else None)
    inputs = [as_input(model, picture) for picture in _scenes(2 * _SEEN_PICTURES)]
    bare = Subject(model, Integers(), inputs[:_SEEN_PICTURES], inputs[_SEEN_PICTURES:])
    return _calibrated(bare, bare.calibration_inputs, cache / f"{name}.integers" if cache else None)


def prepare_trained(name: str, cache: Path, progress: Progress) -> Subject:
    """Open a model with its trained weights, and calibrate it on every other photograph, five augmentations of each."""
    fetch_pretrained(name, report=progress)
    model = open_model(name, default_catalog(os.environ), f"{PRETRAINED}{name}")
    groups = [[as_input(model, each) for each in augmented(read_picture(path))] for path in photographs(progress)]
    seen, unseen = ([x for group in groups[start::2] for x in group] for start in (0, 1))
    return _calibrated(Subject(model, Integers(), seen, unseen), seen, cache / f"{name}.trained.integers")


def _calibrated(bare: Subject, inputs: Sequence[Tensor], kept: Path | None) -> Subject:
    """The subject with integers: those that are kept where they are the model's, else made anew."""
    model = bare.model
    if kept and kept.is_file():
        try:
            return replace(bare, integers=Integers(read_integers(kept, model)[0]))
        except OtherModel:
            pass  # the model has changed since: calibrate again
    found = calibrate(model.graph.layers, observe(model.graph, inputs)).calibration
    if kept:
        write_integers(kept, model, Integers(found))
    return replace(bare, integers=Integers(found))


def with_auto(subject: Subject) -> tuple[Subject, MeasuredFront]:
    """Choose the plan of `auto` by measuring on this machine."""
    judged = [JudgedPicture(x) for x in subject.seen]
    front = find_front(subject.model, subject.integers.calibration, judged, time.perf_counter)
    return replace(subject, integers=Integers(subject.integers.calibration, front.choice.plan)), front


def _scenes(count: int) -> list[DecodedPicture]:
    """Draw pictures of shapes on textures with the example that trains on them."""
    with TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "examples.detector.draw", "--count", str(count), "--suffix", ".png"]
        subprocess.run([*command, "--output", folder], cwd=ROOT, check=True)
        return [read_picture(Path(folder) / f"shapes-{seed}.png") for seed in range(count)]
