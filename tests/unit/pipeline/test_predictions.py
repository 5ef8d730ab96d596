"""Scores become a line for each picture, best class first."""

import json
from collections.abc import AsyncGenerator

import numpy as np
import pytest

from services.artifacts.activation import Header, PictureState, StageOutcome, write_header, write_outcome, write_values
from services.edge.receipts import AWS_LAMBDA, ReceiptLine, Usage
from services.pipeline.predictions import write_predictions
from services.pipeline.report import JobTotals, StageTotal


async def whole(content: bytes) -> AsyncGenerator[bytes, int | None]:
    yield content


async def test_each_picture_has_its_line_in_the_records_order() -> None:
    states = (PictureState("a"), PictureState("bad", "no picture"), PictureState("b"))
    scores = np.log(np.array([[0.1, 0.7, 0.2], [0.5, 0.2, 0.3]], np.float32))
    outcome = StageOutcome(states, ReceiptLine("", Usage(), 0.0), 0, False)
    content = b"".join([write_header(Header("c", 1, (3,))), *write_values(scores), write_outcome(outcome)])
    lines = (await write_predictions(whole(content), "a", ("x", "y", "z"), 2)).splitlines()
    first, bad, second = map(json.loads, lines)
    assert first == {
        "picture": "a",
        "scores": [
            {"index": 1, "label": "y", "score": pytest.approx(0.7)},
            {"index": 2, "label": "z", "score": pytest.approx(0.2)},
        ],
    }
    assert bad == {"picture": "bad", "error": "no picture"}
    assert [score["index"] for score in second["scores"]] == [0, 2]


def test_money_is_lambdas_for_what_was_held_and_s3s_for_each_request() -> None:
    totals = JobTotals(
        {"s": StageTotal(Usage(requests=10, cpu_seconds=5, gb_seconds=100, store_reads=20, store_writes=30))}
    )
    assert totals.money(AWS_LAMBDA) == pytest.approx(100 * 1.66667e-5 + 10 * 2e-7 + 20 * 4e-7 + 30 * 5e-6)
