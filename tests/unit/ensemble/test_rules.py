"""How members' scores become one answer."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.edge.errors import ShapeMismatch
from services.ensemble.domain import Rule
from services.ensemble.rules import best_classes, check_classes, combine, shares, softmax

# [M=3, N=1, K=3]: two members prefer class 0 slightly, the third is sure of class 1.
SPLIT = np.array([[[0.4, 0.35, 0.25]], [[0.4, 0.35, 0.25]], [[0.0, 1.0, 0.0]]])


def test_softmax_of_large_logits_does_not_overflow() -> None:
    assert softmax(np.array([1000.0, 1000.0, -1000.0])).tolist() == [0.5, 0.5, 0.0]


def test_the_mean_follows_the_member_that_is_sure_and_the_majority_the_many() -> None:
    assert combine(Rule.MEAN, SPLIT, [1, 1, 1]).argmax() == 1
    assert combine(Rule.MAJORITY, SPLIT, [1, 1, 1]).argmax() == 0


def test_weights_count_by_their_ratio_only() -> None:
    combined = combine(Rule.WEIGHTED, SPLIT, [3, 3, 2])
    assert combined[0] == pytest.approx([0.3, 0.75 * 0.35 + 0.25, 0.75 * 0.25])
    assert combine(Rule.WEIGHTED, SPLIT, [30, 30, 20])[0] == pytest.approx(combined[0])


def test_a_subset_is_weighed_as_if_it_were_the_whole_ensemble() -> None:
    assert shares(Rule.WEIGHTED, [3, 1]) == (0.75, 0.25)
    assert shares(Rule.MEAN, [1, 1]) == (0.5, 0.5)
    assert combine(Rule.WEIGHTED, SPLIT[1:], [3, 2])[0] == pytest.approx([0.24, 0.61, 0.15])


def test_a_tie_of_votes_goes_to_the_larger_mean() -> None:
    tie = np.array([[[0.6, 0.4, 0.0]], [[0.1, 0.9, 0.0]]])
    combined = combine(Rule.MAJORITY, tie, [1, 1])
    assert combined[0] == pytest.approx([(1 + 0.35) / 3, (1 + 0.65) / 3, 0.0])


@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 2**32 - 1), st.sampled_from(Rule))
def test_every_rule_gives_probabilities(members: int, classes: int, seed: int, rule: Rule) -> None:
    random = np.random.default_rng(seed)
    probabilities = softmax(random.normal(0, 5, (members, 4, classes)))
    combined = combine(rule, probabilities, random.uniform(0.1, 3, members).tolist())
    assert combined.min() >= 0
    assert combined.sum(axis=-1) == pytest.approx(1)


@given(st.integers(2, 5), st.integers(2, 6), st.integers(0, 2**32 - 1))
def test_one_vote_more_always_wins_a_majority(members: int, classes: int, seed: int) -> None:
    probabilities = softmax(np.random.default_rng(seed).normal(0, 5, (members, 8, classes)))
    votes = np.stack([(probabilities.argmax(axis=-1) == k).sum(axis=0) for k in range(classes)], axis=-1)
    chosen = combine(Rule.MAJORITY, probabilities, [1.0] * members).argmax(axis=-1)
    assert (np.take_along_axis(votes, chosen[:, None], axis=1)[:, 0] == votes.max(axis=-1)).all()


def test_members_that_count_classes_differently_are_named() -> None:
    with pytest.raises(ShapeMismatch, match=r"'a' 10, 'b' 1000"):
        check_classes(["a", "b"], [np.zeros((2, 10)), np.zeros((2, 1000))])


def test_classes_come_best_first_and_are_called_by_index_without_labels() -> None:
    (named,) = best_classes(np.array([[0.2, 0.5, 0.3]]), ["x", "y", "z"], 2)
    assert [(score.index, score.label, score.score) for score in named.scores] == [(1, "y", 0.5), (2, "z", 0.3)]
    (numbered,) = best_classes(np.array([[0.2, 0.5, 0.3]]), [], 9)
    assert [score.label for score in numbered.scores] == ["1", "2", "0"]
