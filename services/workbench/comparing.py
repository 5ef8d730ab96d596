"""The verb `compare`: two variants of a network on pictures, layer by layer and answer by answer."""

from dataclasses import dataclass

from quant.comparing import EngineComparison, LayerComparison, Outputs
from quant.precision import Mode
from services.edge.errors import EmptyBatch
from services.edge.progress import Progress, no_progress
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.findings import PictureOutcome, compare_outcomes, outcome, outcome_like
from services.workbench.judging import DETECTION_THRESHOLD
from services.workbench.margins import points_lost
from services.workbench.pictures import Pictures, as_input
from services.zoo.integers import Integers


@dataclass(frozen=True, eq=False)
class ComparedVariant:
    """One side: a model, its integers, and the mode that it runs in."""

    model: EngineModel
    integers: Integers
    mode: Mode


@dataclass(frozen=True)
class PictureComparison:
    """One picture's answers: a classifier's best class on each side; of a detector how many boxes have a partner.

    Attributes:
        agreement: share of the answers that are the same, 0 to 1.
        classes: the best class of both sides; None of a detector.
    """

    picture: str
    agreement: float
    classes: tuple[str, str] | None


@dataclass(frozen=True)
class VariantComparison:
    """What two variants have in common.

    Attributes:
        agreement: share of all answers that are the same, 0 to 1; boxes are matched at IoU 0.5.
        points_lost: of the first side's answers those that the second lost, each by its margin, 0 to 100.
    """

    layers: list[LayerComparison]
    pictures: list[PictureComparison]
    agreement: float
    points_lost: float
    detects: bool


def compare_variants(
    first: ComparedVariant, second: ComparedVariant, pictures: Pictures, progress: Progress = no_progress
) -> VariantComparison:
    """Run both on every picture.

    Raises:
        InvalidGraph: the networks' layers are not the same.
        NotCalibrated, NoAutoPlan: see `engine_of`.
        EmptyBatch: no picture; and what iterating over `pictures` raises.
    """
    sides = first, second
    engines = [engine_of(each.model, each.mode, each.integers) for each in sides]
    together = EngineComparison(engines[0], engines[1])
    names, outputs = list[str](), list[tuple[Outputs, Outputs]]()
    for done, picture in enumerate(pictures):
        progress("pictures", done, len(pictures))
        names.append(picture.source)
        outputs.append(together.add(*(as_input(each.model, picture) for each in sides)))
    if not outputs:
        raise EmptyBatch("no picture to compare the answers of")
    model, (ours, theirs) = first.model, zip(*outputs, strict=True)
    wanted = [outcome(model, each, DETECTION_THRESHOLD) for each in ours]
    found = [outcome_like(model, other, one) for other, one in zip(theirs, wanted, strict=True)]
    rows = [_picture(sides, name, one, other) for name, one, other in zip(names, wanted, found, strict=True)]
    return VariantComparison(
        together.layers(),
        rows,
        compare_outcomes(wanted, found).fraction,
        points_lost(model, ours, theirs, DETECTION_THRESHOLD),
        model.detects,
    )


def _picture(
    sides: tuple[ComparedVariant, ComparedVariant], name: str, one: PictureOutcome, other: PictureOutcome
) -> PictureComparison:
    classes = None
    if one.label is not None and other.label is not None:
        classes = sides[0].model.label(one.label), sides[1].model.label(other.label)
    return PictureComparison(name, compare_outcomes([one], [other]).fraction, classes)
