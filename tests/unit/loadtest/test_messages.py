"""What came over HTTP is read, or said to be no answer; it never ends the run."""

import pytest

from services.loadtest.answers import LabelledPicture, Target
from services.loadtest.messages import UNREADABLE, ended_by_http, ensembles_of_json
from services.loadtest.samples import Outcome

TARGET = Target("pair", frozenset(), frozenset({"a"}), 100)
PICTURES = [LabelledPicture(0, b"", None)]
GOOD = b'{"predictions": [{"scores": [{"label": "x", "score": 1}]}], "members": [{"model": "a", "state": "answered"}]}'
OTHERS = [
    b"",
    b"<html>",
    b"[]",
    b"7",
    b'{"predictions": 7}',
    GOOD.replace(b'"score": 1', b'"score": "much"'),
    GOOD.replace(b'"score": 1', b'"score": 1' + b"0" * 400),
    b"[" * 100_000,
    b"\xff",
]


def test_an_answer_is_read() -> None:
    assert ended_by_http(200, GOOD, TARGET, PICTURES).outcome is Outcome.ANSWERED


@pytest.mark.parametrize("content", OTHERS, ids=lambda content: content[:12])
def test_what_is_no_answer_is_wrong_or_failed_by_its_status(content: bytes) -> None:
    assert ended_by_http(200, content, TARGET, PICTURES).outcome is Outcome.WRONG
    assert ended_by_http(500, content, TARGET, PICTURES).outcome is Outcome.FAILED


@pytest.mark.parametrize("content", [each for each in OTHERS if each != b"[]"], ids=lambda content: content[:12])
def test_what_is_no_list_of_ensembles_cannot_be_read(content: bytes) -> None:
    with pytest.raises(UNREADABLE):
        ensembles_of_json(content)
