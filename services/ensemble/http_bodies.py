"""What the front door says over HTTP: the shapes of its JSON, with the examples its page shows."""

from typing import Self

from pydantic import BaseModel, Field

from services.edge.receipt_bodies import ReceiptBody
from services.ensemble.domain import Answer, Description, EnsembleMode, MemberState, Prediction, Rule, Started


class ScoreBody(BaseModel):
    """One class of one picture."""

    index: int = Field(description="The class, counted from 0", examples=[9])
    label: str = Field(description="Its name; its index where the models name none", examples=["Ankle boot"])
    score: float = Field(description="A probability", examples=[0.93])


class PredictionBody(BaseModel):
    """One picture's answer, best class first."""

    scores: list[ScoreBody]


class MemberBody(BaseModel):
    """One model's part of the answer."""

    model: str = Field(examples=["fashion-mobilenet-v2"])
    state: MemberState = Field(description="missing: not in by the deadline")
    weight: float = Field(description="Its share of the answer; the shares add up to 1", examples=[0.5])
    predictions: list[PredictionBody] = Field(description="One per picture; empty unless it answered")
    latency_ms: float = Field(description="From its start to its answer", examples=[14.2])
    compute_ms: float = Field(description="Inside the model's process", examples=[11.8])
    cold: bool = Field(description="Its process answered its first request")
    error: str = Field(description="Why it failed, or is missing where that is known", examples=[""])


class AnswerBody(BaseModel):
    """The ensemble's answer."""

    ensemble: str = Field(examples=["fashion"])
    mode: EnsembleMode
    predictions: list[PredictionBody] = Field(description="One per picture, of the members that answered")
    members: list[MemberBody]
    latency_ms: float = Field(examples=[15.1])
    expected_accuracy: float | None = Field(
        description="Measured on labelled pictures for exactly the members that answered; null where none did",
        examples=[0.925],
    )
    receipt: ReceiptBody

    @classmethod
    def of(cls, answer: Answer) -> Self:
        """Spell an answer."""
        members = [
            MemberBody(
                model=member.model,
                state=member.state,
                weight=member.weight,
                predictions=_predictions(member.predictions),
                latency_ms=member.latency_ms,
                compute_ms=member.compute_ms,
                cold=member.cold,
                error=member.error,
            )
            for member in answer.members
        ]
        return cls(
            ensemble=answer.ensemble,
            mode=answer.mode,
            predictions=_predictions(answer.predictions),
            members=members,
            latency_ms=answer.latency_ms,
            expected_accuracy=answer.expected_accuracy,
            receipt=ReceiptBody.of(answer.receipt),
        )


class StartedBody(BaseModel):
    """What became of a member that was woken."""

    model: str = Field(examples=["fashion-mobilenet-v2"])
    took_ms: float = Field(description="Until it ran, or was given up", examples=[812.0])
    error: str = Field(description="Why it does not run; empty where it does", examples=[""])

    @classmethod
    def of(cls, model: str, started: Started) -> Self:
        """Spell one."""
        return cls(model=model, took_ms=1e3 * started.took_s, error=started.error)


class MemberDescriptionBody(BaseModel):
    """A member as declared."""

    model: str = Field(examples=["fashion-mobilenet-v2"])
    weight: float = Field(examples=[1.0])


class EnsembleBody(BaseModel):
    """An ensemble that is served here."""

    name: str = Field(examples=["fashion"])
    members: list[MemberDescriptionBody]
    rule: Rule
    mode: EnsembleMode
    deadline_ms: int = Field(examples=[2000])
    labels: list[str] = Field(examples=[["T-shirt/top", "Trouser"]])

    @classmethod
    def of(cls, description: Description) -> Self:
        """Spell a description."""
        ensemble = description.ensemble
        return cls(
            name=ensemble.name,
            members=[MemberDescriptionBody(model=each.model, weight=each.weight) for each in ensemble.members],
            rule=ensemble.rule,
            mode=ensemble.mode,
            deadline_ms=ensemble.deadline_ms,
            labels=list(description.labels),
        )


class ModelBody(BaseModel):
    """A model that an ensemble here calls."""

    name: str = Field(examples=["fashion-mobilenet-v2"])
    origin: str = Field(description="Its architecture, or the program its user brought", examples=["mobilenet_v2"])
    input_size: tuple[int, int] = Field(description="Height and width of its tensor", examples=[[32, 32]])
    ensembles: list[str] = Field(description="Where it is a member", examples=[["fashion"]])


def models_of(descriptions: list[Description]) -> list[ModelBody]:
    """List the models of ensembles, each once."""
    bodies: dict[str, ModelBody] = {}
    for description in descriptions:
        for model in description.models:
            body = bodies.setdefault(
                model.name, ModelBody(name=model.name, origin=model.origin, input_size=model.input_size, ensembles=[])
            )
            body.ensembles.append(description.ensemble.name)
    return list(bodies.values())


def _predictions(predictions: tuple[Prediction, ...]) -> list[PredictionBody]:
    return [
        PredictionBody(
            scores=[ScoreBody(index=each.index, label=each.label, score=each.score) for each in prediction.scores]
        )
        for prediction in predictions
    ]
