"""A detector's boxes as tensors."""

import math

import numpy as np

from services.model.domain import BOXES, LABELS, SCORES, Images
from services.model.tensors import Tensor
from services.zoo.decoding import upright_size
from services.zoo.detection import Detection, Floats, Size, crowded_threshold, detect
from services.zoo.manifest import DetectionSpec, HeadSpec, InputSpec

NO_LABEL = -1
"""Of the places behind a picture's last box, where another picture of the request has more."""


def detections(
    spec: DetectionSpec, input_spec: InputSpec, scores: Images, batch: Images | list[bytes]
) -> tuple[Tensor, ...]:
    """Make boxes of the heads' values.

    Args:
        scores: [N, V], of each picture its heads' values one after the other.
        batch: what was asked: of encoded pictures boxes are fractions of the picture, of tensors of the frame.
    Returns:
        boxes, FP32 [N, D, 4] (x, y of the centre, width, height), scores, FP32 [N, D], and labels, INT32 [N, D]; best
        first. D is at least 1; where a picture has fewer boxes, its last places have the label NO_LABEL.
    """
    frame = Size(*input_spec.size)
    sizes = [Size(*upright_size(picture)) for picture in batch] if isinstance(batch, list) else [frame] * len(scores)
    found = [_boxes(spec, frame, *pair) for pair in zip(scores, sizes, strict=True)]
    count = max(1, *map(len, found))
    boxes = np.zeros((len(found), count, 4), np.float32)
    best = np.zeros((len(found), count), np.float32)
    labels = np.full((len(found), count), NO_LABEL, np.int32)
    for n, each in enumerate(found):
        for place, box in enumerate(each):
            boxes[n, place], best[n, place], labels[n, place] = box.box, box.score, box.label
    return Tensor.of(BOXES, boxes), Tensor.of(SCORES, best), Tensor.of(LABELS, labels)


def _boxes(spec: DetectionSpec, frame: Size, scores: Floats, size: Size) -> list[Detection]:
    heads: list[tuple[HeadSpec, Floats]] = []
    start = 0
    for head in spec.heads:
        end = start + math.prod(head.shape)
        heads.append((head, scores[start:end].reshape(head.shape)))
        start = end
    threshold = max(spec.threshold, crowded_threshold(heads))
    return detect(heads, frame, size, threshold=threshold, suppression_iou=spec.suppression_iou)
