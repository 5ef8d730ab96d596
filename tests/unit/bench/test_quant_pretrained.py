"""Which photographs of a trained network are answered by what."""

from pathlib import Path

from services.bench.quant_pretrained import FOLDS, split

PHOTOGRAPHS = [Path(f"{number}.jpg") for number in range(5)]


def test_each_photograph_is_answered_once_and_by_integers_that_have_not_seen_it() -> None:
    splits = split(PHOTOGRAPHS, FOLDS)
    assert sorted(path for held_out, _ in splits for path in held_out) == PHOTOGRAPHS
    assert all(set(held_out) | set(seen) == set(PHOTOGRAPHS) for held_out, seen in splits)
    assert not any(set(held_out) & set(seen) for held_out, seen in splits)


def test_a_trial_answers_one_fold_and_calibrates_once() -> None:
    assert split(PHOTOGRAPHS, 1) == split(PHOTOGRAPHS, FOLDS)[:1]
