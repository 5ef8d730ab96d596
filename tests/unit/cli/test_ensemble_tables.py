"""What people are shown of answers."""

import io
from dataclasses import replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

from services.cli.ensemble_tables import Answered, answers_table, remarks, summary_table
from services.edge.receipts import CLOUD_RUN, Allocation, Usage, write_receipt
from services.ensemble.domain import Answer, EnsembleMode, MemberAnswer, MemberState, Prediction, Score
from services.ensemble.http_bodies import AnswerBody


def shown(table: Table) -> str:
    output = io.StringIO()
    Console(file=output, width=200).print(table, highlight=False)
    return output.getvalue()


def answered(picture: Path, label: str) -> Answered:
    predictions = (Prediction((Score(0, label, 0.9),)),)
    member = MemberAnswer("m", MemberState.ANSWERED, 1.0, predictions, 1.0, 1.0, False, "")
    receipt = write_receipt([("m", Usage(1, 0.1, 0.1, 1, 1), Allocation())], replace(CLOUD_RUN, currency="[EUR]"))
    return Answered(
        picture, AnswerBody.of(Answer("e", EnsembleMode.PARALLEL, predictions, (member,), 1.0, None, receipt)), "x"
    )


def test_brackets_in_names_of_folders_labels_and_currencies_are_shown_as_they_are() -> None:
    each = answered(Path("/pictures/[red]shoes/1.png"), "[/i]boot[0]")
    table = shown(answers_table([each]))
    assert "[red]shoes/1.png" in table
    assert table.count("[/i]boot[0]") == 2
    assert "µ[EUR]" in table
    assert "µ[EUR]" in shown(summary_table([each]))


def test_an_answer_that_lacks_a_model_says_which_and_why_and_how_right_the_others_are() -> None:
    whole = answered(Path("/pictures/shoes/1.png"), "boot")
    failed = MemberAnswer("n", MemberState.FAILED, 0.0, (), 1.0, 0.0, False, "it died")
    body = AnswerBody.of(
        Answer(
            "e",
            EnsembleMode.PARALLEL,
            (Prediction((Score(0, "boot", 0.9),)),),
            (failed,),
            1.0,
            0.875,
            write_receipt([], CLOUD_RUN),
        )
    )
    lacking = Answered(Path("/pictures/shoes/2.png"), body, None)
    first, second = remarks([whole, lacking])
    assert first == "shoes/2.png: without n; the others were right 87.5% of the time"
    assert second == "  n: it died"
