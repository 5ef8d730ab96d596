"""Ensembles ready to be served, each with all that answering needs."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from services.edge.errors import EnsembleNotFound
from services.edge.suggestion import did_you_mean
from services.ensemble.accuracy import AccuracyTable
from services.ensemble.domain import Description, Ensemble, ModelDescription
from services.zoo.manifest import InputSpec
from services.zoo.model_file import ModelFile


@dataclass(frozen=True)
class Served:
    """An ensemble with all that answering needs.

    Attributes:
        model_files: of each member, in the members' order.
        labels: K names; empty where no member names any.
        accuracy: None where it was not measured.
    """

    ensemble: Ensemble
    model_files: Mapping[str, ModelFile]
    labels: tuple[str, ...]
    accuracy: AccuracyTable | None

    def spec(self, model: str) -> InputSpec:
        """Return how a member wants its pictures."""
        return self.model_files[model].input.spec()

    @property
    def specs(self) -> list[InputSpec]:
        """How the members want their pictures, in their order."""
        return [self.spec(model) for model in self.ensemble.models]

    @property
    def kinds(self) -> frozenset[str]:
        """What the members take: pictures, sounds, or both."""
        return frozenset(spec.kind for spec in self.specs)

    def expected(self, models: Iterable[str]) -> float | None:
        """Look up the accuracy measured for exactly these members; None where it was not."""
        return self.accuracy.expected(models) if self.accuracy else None

    @property
    def description(self) -> Description:
        """The ensemble as its callers see it."""
        models = tuple(
            ModelDescription(name, file.architecture or file.weights, file.input.size)
            for name, file in self.model_files.items()
        )
        return Description(self.ensemble, models, self.labels)


def find(served: Mapping[str, Served], name: str) -> Served:
    """Find an ensemble; the name may be empty where there is only one.

    Raises:
        EnsembleNotFound: with the nearest name.
    """
    if not name and len(served) == 1:
        return next(iter(served.values()))
    if name not in served:
        asked = f"no ensemble '{name}'{did_you_mean(name, list(served))}" if name else "the request names no ensemble"
        raise EnsembleNotFound(f"{asked}; here are {', '.join(served)}")
    return served[name]
