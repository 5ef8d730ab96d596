"""The verb `calibrate`: a model's integers from pictures, and the plan of `auto` by measuring."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from quant.calibration import BEST, Calibrated, Choice, Granularity, calibrate, only_algorithm
from quant.cpu import this_cpu
from quant.observations import Observations, observe, weighted_layers
from quant.plan_choice import Clock
from quant.reconstruction import picture_count, refine
from services.edge.progress import Progress, no_progress
from services.workbench.engine_model import EngineModel
from services.workbench.engines import this_machine
from services.workbench.front import Front, MeasuredFront, Unrefined, find_front
from services.workbench.judging import JudgedPicture, TrueBoxes
from services.workbench.pictures import AUGMENTED, DecodedPicture, Pictures, as_input, augmented
from services.zoo.detection import Detection
from services.zoo.integers import Integers, Machine

AGREEMENT_PICTURES = 32
MAX_DROP = 1.0
"""Points that AUTO may lose where nobody says otherwise."""

Truths = Sequence[int] | Sequence[tuple[Detection, ...]]
"""Of each picture its class, or its boxes as fractions of it."""


@dataclass(frozen=True)
class CalibrationSummary:
    """What people read of a calibration.

    Attributes:
        values, weights: every algorithm tried, by value and by layer.
        asked: the algorithm that was asked for, or BEST.
        auto: how the plan of AUTO was chosen, in words; empty where it was not measured.
        machine: what it was made on.
        front: the plans that AUTO was chosen from, where it was measured in this process.
    """

    values: Mapping[str, Choice]
    weights: Mapping[str, Choice]
    asked: str
    auto: str
    machine: Machine
    front: Front | None = None


@dataclass(frozen=True, eq=False)
class CalibratedModel:
    """What calibrating found.

    Attributes:
        integers: to run, store or export the model with.
        found: every algorithm tried on every value and layer, and which was taken.
        observations: what the pictures showed.
        front: the plans that AUTO was chosen from; None where none was measured.
    """

    integers: Integers
    found: Calibrated
    observations: Observations
    front: MeasuredFront | None

    @property
    def summary(self) -> CalibrationSummary:
        """What people read of it."""
        auto = ""
        if self.front:
            choice = self.front.choice
            auto = f"auto takes {choice.chosen}: {choice.reason}; {choice.transitions} transitions"
        front = self.front.front if self.front else None
        return CalibrationSummary(self.found.values, self.found.weights, self.found.asked, auto, this_machine(), front)


def calibrate_model(
    model: EngineModel,
    pictures: Pictures,
    algorithm: str = BEST,
    granularity: Granularity = Granularity.CHANNEL,
    *,
    augment: bool = False,
    refined: bool = True,
    clock: Clock | None = None,
    max_drop: float = MAX_DROP,
    truths: Truths | None = None,
    progress: Progress = no_progress,
) -> CalibratedModel:
    """One float pass over the pictures, then a choice per value and layer; 7-bit weights where the processor needs it.

    Args:
        augment: take five pictures of each.
        refined: with BEST, better rounding and biases after that on some of the pictures, which takes as long again.
        clock: measures the front of AUTO with the threads now set, on the first pictures; None leaves it out.
        max_drop: points that the plan of AUTO may lose.
        truths: of the pictures, where they are known; plans are then held against them, and against float otherwise.
    Raises:
        EmptyCalibration, AlgorithmNotFound, NonFiniteValue, PictureTooLarge.
        what iterating over `pictures` raises.
    """
    only_algorithm(algorithm)  # refused now, not when all pictures have been seen
    judged, kept = list[JudgedPicture](), list[Tensor]()
    copies = AUGMENTED if augment else 1
    reconstructed = picture_count(model.graph) if refined and algorithm == BEST else 0
    compared = AGREEMENT_PICTURES if clock is not None else 0

    def inputs() -> Iterator[Tensor]:
        for done, picture in enumerate(pictures):
            progress("pictures", done, len(pictures))
            for number, each in enumerate(augmented(picture) if augment else (picture,)):
                x, index = as_input(model, each), done * copies + number
                if _is_taken(index, reconstructed, len(pictures) * copies):
                    kept.append(x)
                if truths:
                    # what a label says of the picture, it does not say of a turned or mirrored one
                    if number == 0 and _is_taken(done, compared, len(pictures)):
                        judged.append(JudgedPicture(x, _truth(picture, truths[done])))
                elif _is_taken(index, compared, len(pictures) * copies):
                    judged.append(JudgedPicture(x))
                yield x

    observations = observe(model.graph, inputs())
    layers = [layer.name for layer in weighted_layers(model.graph)]
    found = calibrate(
        model.graph.layers,
        observations,
        algorithm,
        granularity,
        this_cpu().weight_bits,
        on_layer=lambda name: progress("layers", layers.index(name) + 1, len(layers)),
    )
    unrefined = Unrefined(found.calibration, torch.cat(kept)) if kept else None
    if unrefined:
        found = refine(
            model.graph,
            found,
            unrefined.pictures,
            on_layer=lambda name: progress("refining layers", layers.index(name) + 1, len(layers)),
        )
    here = this_machine()
    integers = Integers(found.calibration, isa=here.isa)
    if clock is None:
        return CalibratedModel(integers, found, observations, None)
    front = find_front(model, found.calibration, judged, clock, max_drop, progress, unrefined)
    integers = front.integers_of(front.choice.chosen, integers._replace(measured_on=here))
    return CalibratedModel(integers, found, observations, front)


def _is_taken(index: int, count: int, of: int) -> bool:
    """Is this one of `count`, taken evenly, the first among them?"""
    return index * count % of < count


def _truth(picture: DecodedPicture, truth: int | tuple[Detection, ...]) -> int | TrueBoxes:
    return TrueBoxes(picture.size, truth) if isinstance(truth, tuple) else truth
