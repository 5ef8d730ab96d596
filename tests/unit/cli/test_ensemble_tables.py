"""What people are shown of answers."""

import io
from pathlib import Path

from rich.console import Console
from rich.table import Table

from services.cli.ensemble_tables import Answered, answers_table, summary_table
from services.ensemble.domain import Answer, MemberAnswer, MemberState, Mode, Prediction, Score
from services.ensemble.http_bodies import AnswerBody
from services.ensemble.receipts import Tariff, Usage, write_receipt


def shown(table: Table) -> str:
    output = io.StringIO()
    Console(file=output, width=200).print(table, highlight=False)
    return output.getvalue()


def answered(picture: Path, label: str) -> Answered:
    predictions = (Prediction((Score(0, label, 0.9),)),)
    member = MemberAnswer("m", MemberState.ANSWERED, 1.0, predictions, 1.0, 1.0, False, "")
    receipt = write_receipt([("m", Usage(1, 0.1, 0.1, 1, 1))], Tariff(currency="[EUR]"))
    return Answered(picture, AnswerBody.of(Answer("e", Mode.PARALLEL, predictions, (member,), 1.0, None, receipt)), "x")


def test_brackets_in_names_of_folders_labels_and_currencies_are_shown_as_they_are() -> None:
    each = answered(Path("/pictures/[red]shoes/1.png"), "[/i]boot[0]")
    table = shown(answers_table([each]))
    assert "[red]shoes/1.png" in table
    assert table.count("[/i]boot[0]") == 2
    assert "µ[EUR]" in table
    assert "µ[EUR]" in shown(summary_table([each]))
