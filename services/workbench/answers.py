"""From a model's outputs to what people read: boxes or classes; and how far two runs agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from torch import Tensor

from quant.operations import Region, Softmax, Yolo
from services.workbench.model import Model
from services.zoo.detection import Detection, Floats, Size, detect, match_boxes

MOST_CANDIDATES = 300
"""Class scores of one picture that may become boxes, before suppression; COCO counts 100 boxes a picture."""


@dataclass(frozen=True)
class Guess:
    """One class of a classifier's answer; `probability` 0 to 1."""

    label: int
    name: str
    probability: float


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


def top_classes(model: Model, outputs: Mapping[str, Tensor], count: int = 5) -> list[Guess]:
    """The most probable classes of the first picture, best first."""
    name = model.graph.outputs[0]
    scores = outputs[name][0].flatten()
    is_softmax = isinstance(model.graph.layer(name).operation, Softmax)
    best = (scores if is_softmax else scores.softmax(0)).topk(min(count, len(scores)))
    found = zip(best.indices.tolist(), best.values.tolist(), strict=True)
    return [Guess(label, model.label(label), probability) for label, probability in found]


def boxes(model: Model, outputs: Mapping[str, Tensor], picture_size: Size, threshold: float = 0.5) -> list[Detection]:
    """The boxes on the first picture, best first; of very many (untrained detectors see 80 in a cell) the best."""
    _, height, width = model.graph.input_shape
    least = max(threshold, crowded_threshold(model, outputs))
    return detect(_heads(model, outputs), Size(height, width), picture_size, threshold=least)


def crowded_threshold(model: Model, outputs: Mapping[str, Tensor]) -> float:
    """The score above which no more than MOST_CANDIDATES candidates lie; 0 where there are fewer anyway."""
    scores = []
    for head, value in _heads(model, outputs):
        fields = value.reshape(len(head.anchors), 5 + head.classes, -1)
        scores.append((fields[:, 4:5] * fields[:, 5:]).ravel())
    together = np.concatenate(scores)
    if len(together) <= MOST_CANDIDATES:
        return 0.0
    return float(np.partition(together, -MOST_CANDIDATES - 1)[-MOST_CANDIDATES - 1])


def _heads(model: Model, outputs: Mapping[str, Tensor]) -> list[tuple[Yolo | Region, Floats]]:
    heads = []
    for name in model.graph.outputs:
        operation = model.graph.layer(name).operation
        if isinstance(operation, Yolo | Region):
            heads.append((operation, outputs[name][0].contiguous().numpy()))
    return heads


def accuracy(model: Model, outputs: Sequence[Mapping[str, Tensor]], truth: Sequence[int]) -> float:
    """The share of a classifier's answers, one picture each, whose best class is the true one; 0 to 1."""
    right = [top_classes(model, each, 1)[0].label == label for each, label in zip(outputs, truth, strict=True)]
    return sum(right) / len(right)


def agreement(
    model: Model, first: Sequence[Mapping[str, Tensor]], second: Sequence[Mapping[str, Tensor]], threshold: float
) -> Agreement:
    """How far two runs over the same inputs agree, in the network's own frame."""
    if not model.detects:
        same = [
            top_classes(model, one, 1)[0].label == top_classes(model, other, 1)[0].label
            for one, other in zip(first, second, strict=True)
        ]
        return Agreement(len(same), sum(same) / len(same), None)
    _, height, width = model.graph.input_shape
    frame = Size(height, width)
    matched = total = 0
    for one, other in zip(first, second, strict=True):
        # one threshold for both: two of their own would part the boxes that lie between them
        least = max(threshold, crowded_threshold(model, one))
        pairing = match_boxes(boxes(model, one, frame, least), boxes(model, other, frame, least))
        matched += 2 * len(pairing.pairs)
        total += 2 * len(pairing.pairs) + pairing.first_only + pairing.second_only
    return Agreement(len(first), None, matched / total if total else 1.0)
