"""From a model's outputs to what people read: boxes or classes; and how far two runs agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from torch import Tensor

from quant.operations import Region, Softmax, Yolo
from services.workbench.engine_model import EngineModel
from services.zoo import detection
from services.zoo.detection import BoxPairing, Detection, Floats, Size, detect, match_boxes


@dataclass(frozen=True)
class Guess:
    """One class of a classifier's answer; `probability` 0 to 1."""

    label: int
    name: str
    probability: float


@dataclass(frozen=True)
class Findings:
    """What a model finds on a picture: a detector's boxes, best first, or a classifier's best classes.

    Boxes are fractions of the picture; the one that the model does not give is None.
    """

    boxes: tuple[Detection, ...] | None
    guesses: tuple[Guess, ...] | None


@dataclass(frozen=True)
class PictureOutcome:
    """What two runs are compared by: of one picture the best class, or the boxes above `threshold`.

    Boxes are fractions of the network's own frame.
    """

    label: int | None
    boxes: tuple[Detection, ...]
    threshold: float


@dataclass(frozen=True)
class Agreement:
    """Of two runs over the same pictures, 0 to 1.

    Attributes:
        top1: share of pictures with the same best class; None for detectors.
        boxes: share of boxes with a partner of the same class at IoU 0.5, both sides counted; None for classifiers.
    """

    pictures: int
    top1: float | None
    boxes: float | None

    @property
    def fraction(self) -> float:
        """Whichever of the two there is."""
        return self.top1 if self.top1 is not None else self.boxes or 0.0


def find(model: EngineModel, outputs: Mapping[str, Tensor], picture_size: Size, threshold: float, top: int) -> Findings:
    """What a model found on the first picture.

    Args:
        threshold: the least score of a box, 0 to 1; raised where very many are above it.
        top: how many classes.
    """
    if model.detects:
        return Findings(tuple(boxes(model, outputs, picture_size, threshold)), None)
    return Findings(None, tuple(top_classes(model, outputs, top)))


def top_classes(model: EngineModel, outputs: Mapping[str, Tensor], count: int = 5) -> list[Guess]:
    """The most probable classes of the first picture, best first."""
    name = model.graph.outputs[0]
    scores = outputs[name][0].flatten()
    is_softmax = isinstance(model.graph.layer(name).operation, Softmax)
    best = (scores if is_softmax else scores.softmax(0)).topk(min(count, len(scores)))
    found = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [Guess(label, model.label(label), probability) for label, probability in found]


def boxes(
    model: EngineModel, outputs: Mapping[str, Tensor], picture_size: Size, threshold: float = 0.5
) -> list[Detection]:
    """The boxes on the first picture, best first; of very many (untrained detectors see 80 in a cell) the best."""
    return _boxes_above(model, outputs, picture_size, max(threshold, crowded_threshold(model, outputs)))


def crowded_threshold(model: EngineModel, outputs: Mapping[str, Tensor]) -> float:
    """The score above which few enough candidates lie, see `detection.crowded_threshold`."""
    return detection.crowded_threshold(_heads(model, outputs))


def outcome(model: EngineModel, outputs: Mapping[str, Tensor], threshold: float) -> PictureOutcome:
    """Reduce the first picture's outputs to what others are compared with.

    Args:
        threshold: the least score of a box; raised where very many are above it.
    """
    if model.detects:
        threshold = max(threshold, crowded_threshold(model, outputs))
    return _outcome_above(model, outputs, threshold)


def outcome_like(model: EngineModel, outputs: Mapping[str, Tensor], first: PictureOutcome) -> PictureOutcome:
    """Reduce another run's outputs by the first one's threshold: two of their own would part the boxes between them."""
    return _outcome_above(model, outputs, first.threshold)


def compare_outcomes(first: Sequence[PictureOutcome], second: Sequence[PictureOutcome]) -> Agreement:
    """How far two runs over the same pictures, at least one, agree."""
    pairs = list(zip(first, second, strict=True))
    if first[0].label is not None:
        return Agreement(len(pairs), sum(one.label == other.label for one, other in pairs) / len(pairs), None)
    pairings = [match_boxes(one.boxes, other.boxes) for one, other in pairs]
    together = BoxPairing(
        tuple(pair for each in pairings for pair in each.pairs),
        sum(each.first_only for each in pairings),
        sum(each.second_only for each in pairings),
    )
    return Agreement(len(pairs), None, together.matched_fraction)


def agreement(
    model: EngineModel, first: Sequence[Mapping[str, Tensor]], second: Sequence[Mapping[str, Tensor]], threshold: float
) -> Agreement:
    """How far two runs over the same inputs, at least one, agree, in the network's own frame."""
    wanted = [outcome(model, outputs, threshold) for outputs in first]
    found = [outcome_like(model, outputs, one) for outputs, one in zip(second, wanted, strict=True)]
    return compare_outcomes(wanted, found)


def accuracy(outcomes: Sequence[PictureOutcome], truth: Sequence[int]) -> float:
    """The share of a classifier's outcomes whose class is the true one; 0 to 1."""
    return sum(each.label == label for each, label in zip(outcomes, truth, strict=True)) / len(outcomes)


def _outcome_above(model: EngineModel, outputs: Mapping[str, Tensor], threshold: float) -> PictureOutcome:
    if not model.detects:
        return PictureOutcome(top_classes(model, outputs, 1)[0].label, (), threshold)
    _, height, width = model.graph.input_shape
    return PictureOutcome(None, tuple(_boxes_above(model, outputs, Size(height, width), threshold)), threshold)


def _boxes_above(
    model: EngineModel, outputs: Mapping[str, Tensor], picture_size: Size, threshold: float
) -> list[Detection]:
    _, height, width = model.graph.input_shape
    return detect(_heads(model, outputs), Size(height, width), picture_size, threshold=threshold)


def _heads(model: EngineModel, outputs: Mapping[str, Tensor]) -> list[tuple[Yolo | Region, Floats]]:
    heads = []
    for name in model.graph.outputs:
        operation = model.graph.layer(name).operation
        if isinstance(operation, Yolo | Region):
            heads.append((operation, outputs[name][0].contiguous().numpy()))
    return heads
