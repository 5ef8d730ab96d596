"""What another run of a model loses of its answers, where an answer counts by its margin.

A box that crosses the threshold by a point, or a class that changes place with one as probable, is no loss that anyone
would notice; counted whole, it decides over everything else.
"""

from collections.abc import Mapping, Sequence

from torch import Tensor

from services.workbench.engine_model import EngineModel
from services.workbench.findings import boxes, crowded_threshold, top_classes
from services.zoo.detection import Size, match_boxes

MARGIN = 0.1
"""An answer so far above the threshold, or above the next class, counts whole; nearer, in proportion."""

Outputs = Mapping[str, Tensor]


def points_lost(model: EngineModel, first: Sequence[Outputs], second: Sequence[Outputs], threshold: float) -> float:
    """Of what the first run answers surely, and the second, the share that the other has not; 0 to 100.

    Args:
        first, second: outputs for the same pictures, at least one.
        threshold: of boxes. A partner may have a score as far below it as MARGIN.
    """
    of_picture = _of_boxes if model.detects else _of_class
    pairs = zip(first, second, strict=True)
    lost, whole = (sum(parts) for parts in zip(*(of_picture(model, *pair, threshold) for pair in pairs), strict=True))
    return 100 * lost / whole if whole else 0.0


def _of_class(model: EngineModel, one: Outputs, other: Outputs, _: float) -> tuple[float, float]:
    """How much is lost of one picture, and of how much: the first run's margin over its second class."""
    best, *rest = top_classes(model, one, 2)
    weight = min(1.0, (best.probability - (rest[0].probability if rest else 0.0)) / MARGIN)
    return weight * (top_classes(model, other, 1)[0].label != best.label), weight


def _of_boxes(model: EngineModel, one: Outputs, other: Outputs, threshold: float) -> tuple[float, float]:
    """As `_of_class`, over the boxes of both runs above the threshold, by how far above it they are."""
    _, height, width = model.graph.input_shape
    threshold = max(threshold, crowded_threshold(model, one))
    low = max(threshold - MARGIN, crowded_threshold(model, one), crowded_threshold(model, other))
    found, theirs = (boxes(model, outputs, Size(height, width), low) for outputs in (one, other))
    pairs = match_boxes(found, theirs).pairs

    def weight(score: float) -> float:
        return min(1.0, max(0.0, score - threshold) / MARGIN)

    whole = sum(weight(box.score) for box in (*found, *theirs))
    return max(0.0, whole - sum(weight(box.score) for pair in pairs for box in pair)), whole
