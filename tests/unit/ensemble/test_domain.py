"""How long an answer may take, and which requests are refused before anything runs."""

import pytest

from services.edge.errors import BatchTooLarge, EmptyBatch, InvalidInput
from services.ensemble.domain import (
    MAX_SCORES,
    REPLY_MARGIN_S,
    WAKE_S,
    Ensemble,
    EnsembleMode,
    Item,
    Member,
    PredictRequest,
    Rule,
    check_items,
    check_scores,
    time_allowed,
    time_given,
    time_to_start,
)

ENSEMBLE = Ensemble("e", (Member("a"),), Rule.MEAN, EnsembleMode.PARALLEL, deadline_ms=2000)


@pytest.mark.parametrize(
    ("asked_s", "latest_s", "given_s", "allowed_s"),
    [
        (None, None, 2.0, 2.0),
        (0.5, None, 0.5, 0.5),
        (5.0, None, 5.0, 5.0),
        (0.0, None, 0.0, 0.0),
        (None, 9.0, 2.0, 2.0),
        (None, 1.0, 1.0, 1.0 - REPLY_MARGIN_S),
        (0.5, 1.0, 0.5, 0.5),
        (1.0, 0.5, 0.5, 0.5 - REPLY_MARGIN_S),
        (1.0, REPLY_MARGIN_S / 2, REPLY_MARGIN_S / 2, 0.0),
    ],
)
def test_an_answer_takes_what_was_asked_or_declared_and_leaves_before_its_caller(
    asked_s: float | None, latest_s: float | None, given_s: float, allowed_s: float
) -> None:
    request = PredictRequest("e", (b"",), deadline_s=asked_s, latest_s=latest_s)
    assert time_given(request, ENSEMBLE) == given_s
    assert time_allowed(request, ENSEMBLE) == allowed_s


@pytest.mark.parametrize(
    ("latest_s", "start_s"), [(None, WAKE_S), (1.0, 1.0 - REPLY_MARGIN_S), (REPLY_MARGIN_S / 2, 0.0)]
)
def test_who_wakes_members_hears_of_those_that_do_not_start_before_hanging_up(
    latest_s: float | None, start_s: float
) -> None:
    assert time_to_start(latest_s) == start_s


def test_a_request_has_one_picture_at_least_and_no_more_than_it_may() -> None:
    check_items([Item(b"1"), Item(b"2")], max_items=2)
    with pytest.raises(EmptyBatch, match="at least one"):
        check_items([], max_items=2)
    with pytest.raises(BatchTooLarge, match="3 pictures; one request may have 2"):
        check_items([Item(b"1"), Item(b"2"), Item(b"3")], max_items=2)


@pytest.mark.parametrize(("classes", "top_k", "refused"), [(10, 2**31, False), (0, 2**31, True), (2**15, 2**15, True)])
def test_an_answer_names_no_more_classes_than_it_may(classes: int, top_k: int, refused: bool) -> None:
    pictures = MAX_SCORES // 20 // 2
    check_scores(ENSEMBLE, pictures, 20, classes)
    if refused:
        with pytest.raises(InvalidInput, match=f"top_k {top_k} of {pictures} pictures"):
            check_scores(ENSEMBLE, pictures, top_k, classes)
    else:
        check_scores(ENSEMBLE, pictures, top_k, classes)
