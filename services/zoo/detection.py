"""From a detector's feature maps to boxes, and how good boxes are.

A box is (x, y, width, height), x and y its centre, in fractions of the picture; boxes are float32 [D, 4].
Source of the decoding and of the suppression: src/yolo_layer.c, src/region_layer.c and src/box.c of
github.com/pjreddie/darknet, whose answers these are, in the same float32 arithmetic; new_coords and the suppression by
distance from those files of github.com/AlexeyAB/darknet.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from services.zoo.darknet.pictures import fitted_size

Floats = NDArray[np.float32]

_LARGEST_LOG_SIZE = 30.0  # e^30 anchors: beyond any picture, and its square still a float32


MOST_CANDIDATES = 300
"""Class scores of one picture that may become boxes, before suppression; COCO counts 100 boxes a picture."""


class Head(Protocol):
    """What decoding asks of a detection head: `quant.operations`' Yolo or Region, or what a manifest keeps of one.

    Attributes:
        anchors: A sizes (width, height): in cells where `in_cells`, else in pixels of the input.
        new_coords, distance_exponent: see `quant.operations.Yolo`.
    """

    @property
    def classes(self) -> int: ...

    @property
    def anchors(self) -> tuple[tuple[float, float], ...]: ...

    @property
    def in_cells(self) -> bool: ...

    @property
    def new_coords(self) -> bool: ...

    @property
    def distance_exponent(self) -> float | None: ...


class Size(NamedTuple):
    """In pixels."""

    height: int
    width: int


@dataclass(frozen=True)
class Detection:
    """One box of one class. `score` is objectness times class probability, 0 to 1; a true box scores 1."""

    label: int
    score: float
    x: float
    y: float
    width: float
    height: float

    @property
    def box(self) -> Floats:
        """[4]: x, y, width, height."""
        return np.array((self.x, self.y, self.width, self.height), np.float32)


@dataclass(frozen=True, eq=False)
class Candidates:
    """Boxes before suppression: boxes [D, 4], scores [D, K], 0 where a class is below the threshold."""

    boxes: Floats
    scores: Floats


def detect(
    heads: Iterable[tuple[Head, Floats]],
    input_size: Size,
    picture_size: Size,
    *,
    threshold: float = 0.5,
    suppression_iou: float = 0.45,
) -> list[Detection]:
    """The boxes of one letterboxed picture, best first; a box that passes for two classes stands there twice.

    Args:
        heads: each head with its value for this picture, [A * (5 + K), H, W].
        input_size: of the network.
        picture_size: before letterboxing; the boxes are fractions of it.
        threshold: the least score, and the least objectness.
        suppression_iou: a box that overlaps a better one of its class by more than this is dropped.
    """
    heads = list(heads)
    found = [decode(head, value, input_size, threshold) for head, value in heads]
    candidates = Candidates(
        np.concatenate([part.boxes for part in found]), np.concatenate([part.scores for part in found])
    )
    boxes = from_letterbox(candidates.boxes, input_size, picture_size)
    exponent = heads[-1][0].distance_exponent  # the last one's rule: Darknet takes it for all
    scores = suppress(candidates, suppression_iou, None if exponent is None else Distance(boxes, exponent))
    return sorted(
        (
            Detection(int(label), float(scores[index, label]), *(float(side) for side in boxes[index]))
            for index, label in np.argwhere(scores)
        ),
        key=lambda detection: -detection.score,
    )


def crowded_threshold(heads: Iterable[tuple[Head, Floats]]) -> float:
    """The score above which no more than MOST_CANDIDATES of a picture's candidates lie; 0 where there are fewer."""
    scores = []
    for head, value in heads:
        fields = value.reshape(len(head.anchors), 5 + head.classes, -1)
        scores.append((fields[:, 4:5] * fields[:, 5:]).ravel())
    together = np.concatenate(scores)
    if len(together) <= MOST_CANDIDATES:
        return 0.0
    return float(np.partition(together, -MOST_CANDIDATES - 1)[-MOST_CANDIDATES - 1])


def decode(head: Head, value: Floats, input_size: Size, threshold: float) -> Candidates:
    """Boxes (fractions of the network's input) of all predictors whose objectness is above the threshold.

    Args:
        value: [A * (5 + K), H, W], as the head's operation gives it.
    """
    _, rows, columns = value.shape
    predictors = value.reshape(len(head.anchors), 5 + head.classes, rows, columns)
    predictor, row, column = np.nonzero(predictors[:, 4] > threshold)
    fields = predictors[predictor, :, row, column]  # [D, 5 + K]
    unit = (columns, rows) if head.in_cells else (input_size.width, input_size.height)
    anchors = np.array(head.anchors, np.float32)[predictor]
    centers = (np.stack((column, row), 1).astype(np.float32) + fields[:, :2]) / np.array((columns, rows), np.float32)
    if head.new_coords:
        factors = fields[:, 2:4] * fields[:, 2:4] * np.float32(4)
    else:
        factors = np.exp(fields[:, 2:4].clip(max=_LARGEST_LOG_SIZE))
    sizes = factors * anchors / np.array(unit, np.float32)
    scores = fields[:, 4:5] * fields[:, 5:]
    return Candidates(np.concatenate((centers, sizes), 1), np.where(scores > threshold, scores, np.float32(0)))


def from_letterbox(boxes: Floats, input_size: Size, picture_size: Size) -> Floats:
    """Boxes as fractions of the network's input to boxes as fractions of the picture inside its frame."""
    inner = Size(*fitted_size(*picture_size, *input_size))
    share = np.array((inner.width / input_size.width, inner.height / input_size.height), np.float32)
    return np.concatenate(((boxes[:, :2] - (1 - share) / 2) / share, boxes[:, 2:] / share), 1).astype(np.float32)


@dataclass(frozen=True, eq=False)
class Distance:
    """What lessens the overlap of two boxes: (d / c)^exponent, d the squared distance of their centres, c the squared
    diagonal of the smallest box around both; `boxes` [D, 4] are fractions of the picture.

    Source: Zheng et al., "Distance-IoU Loss", 2020, section 3.4; box_diou of AlexeyAB's src/box.c.
    """

    boxes: Floats
    exponent: float

    def between(self, one: np.intp, others: NDArray[np.intp]) -> Floats:
        """Of one box from each of D others: [D], 0 to 1."""
        box, boxes = self.boxes[one].astype(np.float64), self.boxes[others].astype(np.float64)
        apart = boxes[:, :2] - box[:2]
        around = np.maximum((box[2:] + boxes[:, 2:]) / 2 + np.abs(apart), np.maximum(box[2:], boxes[:, 2:]))
        d, c = (apart**2).sum(1), (around**2).sum(1)
        share: Floats = np.divide(d, c, out=np.zeros_like(c), where=c > 0).astype(np.float32)
        return share**self.exponent


def suppress(candidates: Candidates, suppression_iou: float, distance: Distance | None = None) -> Floats:
    """The scores [D, K] with 0 wherever a better box of the same class overlaps by more than `suppression_iou`."""
    scores = candidates.scores.copy()
    for label in np.flatnonzero(scores.any(0)):
        passing = np.flatnonzero(scores[:, label])
        order = passing[np.argsort(-scores[passing, label], kind="stable")]
        while len(order):
            best, order = order[0], order[1:]
            overlap = iou(candidates.boxes[best], candidates.boxes[order])
            if distance is not None:
                overlap = overlap - distance.between(best, order)
            overlapping = overlap > suppression_iou
            scores[order[overlapping], label] = 0
            order = order[~overlapping]
    return scores


def iou(box: Floats, boxes: Floats) -> Floats:
    """Intersection over union of one box [4] with each of [D, 4]: [D], 0 to 1; 0 where both boxes are empty."""
    # An untrained network draws boxes whose areas go beyond float32, and some thinner than float32 can say:
    # so no edge is computed, only sizes and the distance of the centres.
    box, boxes = box.astype(np.float64), boxes.astype(np.float64)
    half, halves = box[2:] / 2, boxes[:, 2:] / 2
    shared = np.minimum(half + halves - np.abs(box[:2] - boxes[:, :2]), 2 * np.minimum(half, halves))
    intersection = shared.clip(0).prod(1)
    union = box[2:].prod() + boxes[:, 2:].prod(1) - intersection
    overlap: Floats = np.divide(intersection, union, out=np.zeros_like(union), where=union > 0).astype(np.float32)
    return overlap


@dataclass(frozen=True)
class AveragePrecision:
    """`by_label`: of each class that occurs in the truth, 0 to 1; `mean` over these classes."""

    by_label: dict[int, float]
    mean: float


def average_precision(
    found: Sequence[Sequence[Detection]], truth: Sequence[Sequence[Detection]], least_iou: float = 0.5
) -> AveragePrecision:
    """The area under each class's precision-recall curve, precision made non-increasing.

    Args:
        found: per picture, the boxes of a detector run with a low threshold.
        truth: per picture, the true boxes, at least one over all.
    Source: Everingham et al., PASCAL VOC 2012 development kit, section 3.4.1: all points, not eleven.
    """
    labels = sorted({box.label for boxes in truth for box in boxes})
    by_label = {label: _area(*_judge(found, truth, label, least_iou)) for label in labels}
    return AveragePrecision(by_label, sum(by_label.values()) / len(by_label))


def _judge(
    found: Sequence[Sequence[Detection]], truth: Sequence[Sequence[Detection]], label: int, least_iou: float
) -> tuple[NDArray[np.bool_], int]:
    """Whether each box of a class, best first, is the first to meet a true one; and how many true ones there are."""
    wanted = [[box for box in boxes if box.label == label] for boxes in truth]
    met = [[False] * len(boxes) for boxes in wanted]
    ranked = sorted(
        ((box, picture) for picture, boxes in enumerate(found) for box in boxes if box.label == label),
        key=lambda pair: -pair[0].score,
    )
    right = np.zeros(len(ranked), np.bool_)
    for rank, (box, picture) in enumerate(ranked):
        if wanted[picture]:
            overlaps = iou(box.box, np.stack([true.box for true in wanted[picture]]))
            closest = int(overlaps.argmax())
            right[rank] = overlaps[closest] >= least_iou and not met[picture][closest]
            met[picture][closest] |= bool(right[rank])
    return right, sum(map(len, wanted))


def _area(right: NDArray[np.bool_], count: int) -> float:
    precision = np.cumsum(right) / np.arange(1, len(right) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(envelope[right].sum() / count)


@dataclass(frozen=True)
class BoxPairing:
    """How two detectors' boxes for the same pictures compare: pairs of one class that overlap enough."""

    pairs: tuple[tuple[Detection, Detection], ...]
    first_only: int
    second_only: int

    @property
    def matched_fraction(self) -> float:
        """Boxes that have a partner, of both sides' boxes; 1 where neither side has a box."""
        boxes = 2 * len(self.pairs) + self.first_only + self.second_only
        return 2 * len(self.pairs) / boxes if boxes else 1.0


def match_boxes(first: Sequence[Detection], second: Sequence[Detection], least_iou: float = 0.5) -> BoxPairing:
    """Pair the boxes of one picture, best score of `first` first, each with the free one that overlaps it most."""
    boxes = np.stack([box.box for box in second]) if second else np.zeros((0, 4), np.float32)
    labels = np.array([box.label for box in second])
    free, pairs = np.ones(len(second), np.bool_), list[tuple[Detection, Detection]]()
    for box in sorted(first, key=lambda detection: -detection.score):
        rivals = np.flatnonzero(free & (labels == box.label))
        overlaps = iou(box.box, boxes[rivals])
        if len(rivals) and overlaps.max() >= least_iou:
            partner = rivals[overlaps.argmax()]
            free[partner] = False
            pairs.append((box, second[partner]))
    return BoxPairing(tuple(pairs), len(first) - len(pairs), int(free.sum()))
