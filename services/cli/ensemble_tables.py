"""What `strata ensemble` prints of answers: tables for people, JSON for programs."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

from rich.box import SIMPLE
from rich.markup import escape
from rich.table import Column, Table

from services.edge.errors import StrataError
from services.edge.receipt_bodies import LineBody
from services.ensemble.http_bodies import AnswerBody, EnsembleBody, PredictionBody


@dataclass(frozen=True)
class Answered:
    """A picture and what was said of it; `truth` is its label where its folder tells."""

    picture: Path
    answer: AnswerBody
    truth: str | None


@dataclass(frozen=True)
class Refused:
    """A picture that got no answer, and why."""

    picture: Path
    error: StrataError

    def as_json(self) -> dict[str, Any]:
        """Spell it."""
        return {"picture": str(self.picture), "error": type(self.error).__name__, "message": str(self.error)}


@dataclass
class AnswersSummary:
    """One model's, or the whole ensemble's, part in several answers."""

    name: str
    latencies_ms: list[float] = field(default_factory=list)
    right: int = 0
    answered: int = 0
    cpu_seconds: float = 0.0
    gb_seconds: float = 0.0
    money: float = 0.0

    def as_json(self) -> dict[str, Any]:
        """Spell it."""
        return {
            "name": self.name,
            "answered": self.answered,
            "right": self.right,
            "median_latency_ms": median(self.latencies_ms) if self.latencies_ms else None,
            "cpu_seconds": self.cpu_seconds,
            "gb_seconds": self.gb_seconds,
            "money": self.money,
        }


def answers_table(answered: Sequence[Answered]) -> Table:
    """One block a picture: each model's answer, time and cost, and the ensemble's."""
    currency = answered[0].answer.receipt.tariff.currency
    table = _table("model", "answer", "score", "ms", "compute", "CPU ms", f"µ{currency}")
    for each in answered:
        answer = each.answer
        table.add_row(f"[underline]{escape(_short(each.picture))}[/]")
        for member in answer.members:
            shown = _best(member.predictions) if member.predictions else (f"[red]{member.state}[/]", "")
            times = (f"{member.latency_ms:.1f}", f"{member.compute_ms:.1f}")
            table.add_row(member.model, *shown, *times, *_cost(lines_of(answer, member.model)))
        best, time = _best(answer.predictions), f"{answer.latency_ms:.1f}"
        cost = _cost([answer.receipt.total])
        table.add_row(f"ensemble, {answer.mode}", *best, time, "", *cost, style="bold", end_section=True)
    return table


def lines_of(answer: AnswerBody, model: str) -> list[LineBody]:
    """What a model took: a line of its own, or one for each of its stages."""
    return [line for line in answer.receipt.lines if line.name.partition("/")[0] == model]


def remarks(answered: Sequence[Answered]) -> list[str]:
    """Say of each answer that lacks a model why it does, and how right the others are where that was measured."""
    said = []
    for each in answered:
        absent = [member for member in each.answer.members if not member.predictions]
        if not absent:
            continue
        expected = each.answer.expected_accuracy
        known = (
            f"the others were right {expected:.1%} of the time"
            if expected is not None
            else "the others were not measured"
        )
        said.append(f"{_short(each.picture)}: without {', '.join(member.model for member in absent)}; {known}")
        said += [f"  {member.model}: {member.error}" for member in absent if member.error]
    return said


def summarise(answered: Sequence[Answered]) -> list[AnswersSummary]:
    """Sum up each model, in the ensemble's order, and the ensemble, last."""
    ensemble = AnswersSummary("ensemble")
    models: dict[str, AnswersSummary] = {}
    for each in answered:
        for member in each.answer.members:
            row = models.setdefault(member.model, AnswersSummary(member.model))
            _add(row, member.predictions, each.truth, member.latency_ms)
            for line in lines_of(each.answer, member.model):
                row.cpu_seconds += line.cpu_seconds
                row.gb_seconds += line.gb_seconds
                row.money += line.money
        total = each.answer.receipt.total
        _add(ensemble, each.answer.predictions, each.truth, each.answer.latency_ms)
        ensemble.cpu_seconds += total.cpu_seconds
        ensemble.gb_seconds += total.gb_seconds
        ensemble.money += total.money
    return [*models.values(), ensemble]


def summary_table(answered: Sequence[Answered]) -> Table:
    """One row a model and one for the ensemble: answers, how many were right where that is known, time, cost."""
    first = answered[0].answer
    labelled = all(each.truth for each in answered)
    right = ["right"] if labelled else []
    table = _table("model", "in", *right, "median ms", "CPU s", "GiB·s", f"µ{first.receipt.tariff.currency}")
    table.title = f"{first.ensemble}, {first.mode}: {len(answered)} pictures, one at a time"
    for row in summarise(answered):
        shown = [f"{row.right / len(answered):.1%}"] if labelled else []
        time = f"{median(row.latencies_ms):.1f}" if row.latencies_ms else "-"
        cost = (f"{row.cpu_seconds:.3f}", f"{row.gb_seconds:.4f}", f"{row.money * 1e6:.2f}")
        style = "bold" if row.name == "ensemble" else None
        table.add_row(row.name, f"{row.answered}/{len(answered)}", *shown, time, *cost, style=style)
    return table


def ensemble_table(body: EnsembleBody) -> Table:
    """An ensemble's members as declared."""
    table = _table("member", "weight")
    for member in body.members:
        table.add_row(member.model, f"{member.weight:g}")
    return table


def truth_of(picture: Path, labels: Sequence[str]) -> str | None:
    """Take a picture's label from its folder, if that is a label."""
    name = picture.absolute().parent.name
    return name if name in labels else None


def _add(row: AnswersSummary, predictions: Sequence[PredictionBody], truth: str | None, latency_ms: float) -> None:
    if predictions:
        row.answered += 1
        row.latencies_ms.append(latency_ms)
        row.right += predictions[0].scores[0].label == truth


def _short(picture: Path) -> str:
    return f"{picture.absolute().parent.name}/{picture.name}"


def _best(predictions: Sequence[PredictionBody]) -> tuple[str, str]:
    best = predictions[0].scores[0]
    return escape(best.label), f"{best.score:.3f}"


def _cost(lines: Sequence[LineBody]) -> tuple[str, str]:
    """CPU time, and money in millionths: prices of single requests are tiny."""
    return f"{sum(line.cpu_seconds for line in lines) * 1e3:.1f}", f"{sum(line.money for line in lines) * 1e6:.2f}"


def _table(first: str, *others: str) -> Table:
    """A table of numbers, narrow enough for a terminal of 80 columns."""
    table = Table(Column(first, no_wrap=True), box=SIMPLE, padding=(0, 1))
    for name in others:
        table.add_column(escape(name), justify="left" if name == "answer" else "right")
    return table
