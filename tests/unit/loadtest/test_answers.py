"""Which answers are none."""

import math

import pytest

from services.loadtest.answers import LabelledPicture, Reply, Target, check_reply
from services.loadtest.samples import Outcome

TARGET = Target("pair", frozenset({"cat", "dog"}), frozenset({"a", "b"}), 100)
PICTURES = [LabelledPicture(4, b"", "cat"), LabelledPicture(9, b"", "dog"), LabelledPicture(2, b"", None)]
BOTH = {"a": True, "b": True}
CAT = [("cat", 0.9), ("dog", 0.1)]


def test_an_answer_says_which_labelled_pictures_it_got_right() -> None:
    ended = check_reply(Reply([CAT, CAT, CAT], {"a": True, "b": False}, 0.5), TARGET, PICTURES)
    assert ended.outcome is Outcome.ANSWERED
    assert ended.right == ((4, True), (9, False))
    assert not ended.complete
    assert ended.money == 0.5


@pytest.mark.parametrize(
    ("scores", "members", "why"),
    [
        ([CAT, CAT], BOTH, "2 pictures of 3"),
        ([CAT, CAT, []], BOTH, "without scores"),
        ([CAT, CAT, [("cat", math.nan)]], BOTH, "score of nan"),
        ([CAT, CAT, [("cat", 1.5)]], BOTH, "score of 1.5"),
        ([CAT, CAT, [("cow", 0.5)]], BOTH, "unknown label 'cow'"),
        ([CAT, CAT, CAT[::-1]], BOTH, "best first"),
        ([CAT] * 3, {"a": True}, "members are a"),
        ([CAT] * 3, {"a": True, "c": True}, "members are a, c"),
        ([CAT] * 3, {"a": False, "b": False}, "no member answered"),
    ],
)
def test_what_no_ensemble_says_is_a_wrong_answer(
    scores: list[list[tuple[str, float]]], members: dict[str, bool], why: str
) -> None:
    ended = check_reply(Reply(scores, members, None), TARGET, PICTURES)
    assert ended.outcome is Outcome.WRONG
    assert why in ended.reason


@pytest.mark.parametrize("money", [-1e-9, math.nan, math.inf, 1e300])
def test_a_receipt_over_no_sum_of_money_is_a_wrong_answer(money: float) -> None:
    ended = check_reply(Reply([CAT] * 3, BOTH, money), TARGET, PICTURES)
    assert ended.outcome is Outcome.WRONG
    assert "a receipt over" in ended.reason
