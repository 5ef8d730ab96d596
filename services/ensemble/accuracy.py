"""The table of measured accuracies: one row for each subset of an ensemble's members."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

from services.edge.declaration import Declaration
from services.ensemble.domain import Ensemble, Rule
from services.ensemble.intervals import Interval


class SubsetRow(Declaration):
    """The accuracy of one subset, a fraction, with its 95 % interval."""

    models: tuple[str, ...]
    value: float
    low: float
    high: float


class GainRow(Declaration):
    """How much more often than its best member the whole ensemble is right, with its paired 95 % interval."""

    over: str
    value: float
    low: float
    high: float


class AccuracyFile(Declaration):
    """The file `strata ensemble evaluate` writes. It holds for the rule and the weights it was measured with."""

    ensemble: str
    rule: Rule
    weights: dict[str, float]
    pictures: int
    subsets: tuple[SubsetRow, ...]
    gain: GainRow


@dataclass(frozen=True)
class AccuracyTable:
    """Subset of members -> measured accuracy, a fraction."""

    rows: dict[frozenset[str], Interval]

    def expected(self, models: Iterable[str]) -> float | None:
        """Look up exactly these members; None where they were not measured together."""
        row = self.rows.get(frozenset(models))
        return row.value if row else None

    @classmethod
    def of(cls, file: AccuracyFile) -> Self:
        """Index a file's rows."""
        return cls({frozenset(row.models): Interval(row.value, row.low, row.high) for row in file.subsets})


def weights_of(ensemble: Ensemble) -> dict[str, float]:
    """Return each member's declared weight."""
    return {member.model: member.weight for member in ensemble.members}
