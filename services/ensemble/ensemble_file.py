"""The file that declares one ensemble."""

from pathlib import Path
from typing import Annotated, Self, TypeAlias

from pydantic import Field, model_validator

from services.edge.declaration import Declaration, read_declaration
from services.ensemble.domain import MAX_DEADLINE_MS, Ensemble, EnsembleMode, Member, Rule, WhenLate

ModelName: TypeAlias = Annotated[str, Field(pattern=r"^[a-z]([-a-z0-9]{0,50}[a-z0-9])?$")]


class MemberDeclaration(Declaration):
    """One entry of `members:`."""

    model: ModelName
    weight: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 1.0


class EnsembleFile(Declaration):
    """An ensemble as its user declares it; `accuracy` is relative to the file's folder."""

    name: ModelName
    members: Annotated[tuple[MemberDeclaration, ...], Field(min_length=1, max_length=10)]
    rule: Rule = Rule.MEAN
    mode: EnsembleMode = EnsembleMode.PARALLEL
    deadline_ms: Annotated[int, Field(gt=0, le=MAX_DEADLINE_MS)] = 2000
    min_members: Annotated[int, Field(ge=1)] = 1
    when_late: WhenLate = WhenLate.SUBSET
    accuracy: str | None = None
    file: Path

    @model_validator(mode="after")
    def _check(self) -> Self:
        models = [member.model for member in self.members]
        for model in models:
            if models.count(model) > 1:
                raise ValueError(f"members: '{model}' is named {models.count(model)} times; each counts once")
        if self.min_members > len(models):
            raise ValueError(f"min_members: is {self.min_members}, but there are {len(models)} members")
        weights = {member.weight for member in self.members}
        if self.rule is not Rule.WEIGHTED and weights != {1.0}:
            raise ValueError(f"members: weights count only with rule weighted, not {self.rule}")
        return self

    @property
    def accuracy_path(self) -> Path | None:
        """Where the accuracies of its subsets are, if it says so."""
        return self.file.parent / self.accuracy if self.accuracy else None

    def ensemble(self) -> Ensemble:
        """Return what is declared, without where."""
        members = tuple(Member(member.model, member.weight) for member in self.members)
        return Ensemble(self.name, members, self.rule, self.mode, self.deadline_ms, self.min_members, self.when_late)


def read_ensemble_file(path: Path) -> EnsembleFile:
    """Raises InvalidDeclaration, naming file and field, for every fault at once."""
    return read_declaration(path, EnsembleFile, file=path.absolute())
