"""How often each subset of an ensemble's members is right: counted picture by picture, in memory that does not grow."""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import EmptyBatch, InvalidDeclaration
from services.ensemble.accuracy import AccuracyFile, GainRow, SubsetRow, weights_of
from services.ensemble.domain import Ensemble
from services.ensemble.intervals import Interval, paired_difference, wilson
from services.ensemble.rules import check_classes, combine, softmax

Subset = tuple[str, ...]


class Tally:
    """Right answers of every subset, and which of them the whole ensemble shares with each single member."""

    def __init__(self, ensemble: Ensemble):
        self._ensemble = ensemble
        self._weights = weights_of(ensemble)
        models = ensemble.models
        self.subsets: list[Subset] = [
            subset for size in range(1, len(models) + 1) for subset in combinations(models, size)
        ]
        self.pictures = 0
        self._right: dict[Subset, int] = dict.fromkeys(self.subsets, 0)
        self._right_with_all: dict[str, int] = dict.fromkeys(models, 0)

    def add(self, logits: Mapping[str, NDArray[np.floating]], truth: Sequence[int]) -> None:
        """Count one batch.

        Args:
            logits: each member's [N, K].
            truth: N classes, from 0.
        Raises:
            ShapeMismatch: the members disagree on K.
            InvalidDeclaration: a picture is said to be of a class that they do not know.
        """
        check_classes(list(logits), list(logits.values()))
        classes = next(iter(logits.values())).shape[-1]
        if max(truth) >= classes:
            raise InvalidDeclaration(f"a picture is labelled as class {max(truth)}; the models know 0 to {classes - 1}")
        probabilities = {model: softmax(each) for model, each in logits.items()}
        right = {subset: self._answers(subset, probabilities) == np.asarray(truth) for subset in self.subsets}
        whole = right[self._ensemble.models]
        self.pictures += len(truth)
        for subset, each in right.items():
            self._right[subset] += int(each.sum())
        for model in self._ensemble.models:
            self._right_with_all[model] += int((right[model,] & whole).sum())

    def accuracy(self, subset: Subset) -> Interval:
        """Return a subset's accuracy, a fraction, with its 95 % interval (Wilson)."""
        return wilson(self._right[subset], self.pictures)

    @property
    def best(self) -> str:
        """The member that is right most often alone; the first of those that are so equally often."""
        return max(self._ensemble.models, key=lambda model: self._right[model,])

    def gain(self) -> Interval:
        """Return the whole ensemble's accuracy less its best member's, with its paired 95 % interval (Newcombe)."""
        both = self._right_with_all[self.best]
        whole_only = self._right[self._ensemble.models] - both
        best_only = self._right[self.best,] - both
        return paired_difference(both, whole_only, best_only, self.pictures - both - whole_only - best_only)

    def file(self) -> AccuracyFile:
        """Return the table that deadlines use.

        Raises:
            EmptyBatch: nothing was counted.
        """
        if self.pictures == 0:
            raise EmptyBatch("there are no pictures to measure accuracy on")
        rows = [(subset, self.accuracy(subset)) for subset in self.subsets]
        gain = self.gain()
        return AccuracyFile(
            ensemble=self._ensemble.name,
            rule=self._ensemble.rule,
            weights=self._weights,
            pictures=self.pictures,
            subsets=tuple(SubsetRow(models=subset, value=a.value, low=a.low, high=a.high) for subset, a in rows),
            gain=GainRow(over=self.best, value=gain.value, low=gain.low, high=gain.high),
        )

    def _answers(self, subset: Subset, probabilities: Mapping[str, NDArray[np.float64]]) -> NDArray[np.intp]:
        stacked = np.stack([probabilities[model] for model in subset])
        weights = [self._weights[model] for model in subset]
        return np.asarray(combine(self._ensemble.rule, stacked, weights).argmax(axis=-1))
