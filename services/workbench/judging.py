"""What a plan loses of a model's answers, in points: against labels where there are some, else against float."""

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor

from services.workbench.engine_model import EngineModel
from services.workbench.findings import boxes, top_classes
from services.workbench.margins import Outputs, points_lost
from services.zoo.detection import Detection, Size, average_precision

DETECTION_THRESHOLD = 0.25
LEAST_SCORE = 0.01
"""Of a box that counts in a precision-recall curve."""


@dataclass(frozen=True)
class TrueBoxes:
    """All that is on a picture of this size: boxes as fractions of it."""

    size: Size
    boxes: tuple[Detection, ...]


@dataclass(frozen=True, eq=False)
class JudgedPicture:
    """One input that answers are compared on: `x` [1, C, H, W]; `truth` its class or boxes, None without a label."""

    x: Tensor
    truth: int | TrueBoxes | None = None


class Judge:
    """Holds a run's answers against the truth, or where any picture has none, against float's.

    Args:
        in_float: outputs for the same pictures, at least one.
    Attributes:
        measure: what is lost, in words.
    """

    def __init__(self, model: EngineModel, pictures: Sequence[JudgedPicture], in_float: Sequence[Outputs]) -> None:
        self._model, self._in_float = model, in_float
        self._truths = [each.truth for each in pictures]
        self._labelled = _can_be_judged(model, self._truths)
        self.measure = "agreement with float" if not self._labelled else "mAP at 0.5" if model.detects else "top-1"
        self._floats_score = self._score(in_float) if self._labelled else 0.0

    def points_lost(self, outputs: Sequence[Outputs]) -> float:
        """0 to 100; against labels what float has more than this run, and 0 where this run has more."""
        if self._labelled:
            return max(0.0, self._floats_score - self._score(outputs))
        return points_lost(self._model, self._in_float, outputs, DETECTION_THRESHOLD)

    def _score(self, outputs: Sequence[Outputs]) -> float:
        pairs = list(zip(self._truths, outputs, strict=True))
        if not self._model.detects:
            return 100 * sum(top_classes(self._model, each, 1)[0].label == truth for truth, each in pairs) / len(pairs)
        known = [(truth, each) for truth, each in pairs if isinstance(truth, TrueBoxes)]
        found = [boxes(self._model, each, truth.size, LEAST_SCORE) for truth, each in known]
        return 100 * average_precision(found, [truth.boxes for truth, _ in known]).mean


def _can_be_judged(model: EngineModel, truths: Sequence[int | TrueBoxes | None]) -> bool:
    if not model.detects:
        return all(isinstance(truth, int) for truth in truths)
    return all(isinstance(truth, TrueBoxes) for truth in truths) and any(
        truth.boxes for truth in truths if isinstance(truth, TrueBoxes)
    )
