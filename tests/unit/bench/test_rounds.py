import pytest

from services.bench.rounds import Spread, interleave, percentile, ratio


def test_rounds_interleave_and_turn_around() -> None:
    order: list[str] = []

    def subject(name: str) -> float:
        order.append(name)
        return float(len(order))

    spreads = interleave({"a": lambda: subject("a"), "b": lambda: subject("b")}, rounds=3)
    assert list(order) == ["a", "b", "b", "a", "a", "b"]
    assert list(spreads["a"].values) == [1, 4, 5]
    assert (spreads["a"].median, spreads["a"].low, spreads["a"].high) == (4, 1, 5)


def test_a_ratio_pairs_the_values_of_a_round() -> None:
    assert ratio(Spread((2, 9)), Spread((1, 3))).values == (2, 3)


def test_percentile_is_the_nearest_rank() -> None:
    assert [percentile([4, 1, 3, 2], share) for share in (0.25, 0.5, 0.51, 1)] == [1, 2, 3, 4]


@pytest.mark.parametrize(("values", "share"), [([], 0.5), ([1.0], 0), ([1.0], 1.1)])
def test_percentile_refuses_what_has_none(values: list[float], share: float) -> None:
    with pytest.raises(ValueError, match="percentile"):
        percentile(values, share)
