"""Knative's autoscaler: averages over its window, panic, and the way down."""

from services.ensemble.fleet.autoscaler import TICK_S, Autoscaler


def ticks(scaler: Autoscaler, under_way: float, count: int, ready: int, begin_s: float = 0.0) -> list[int]:
    return [scaler.wanted(under_way, ready, begin_s + TICK_S * number) for number in range(count)]


def test_pods_are_the_average_over_the_target_rounded_up() -> None:
    assert ticks(Autoscaler(60.0, 2.0), 4.1, 30, ready=2)[-1] == 3
    assert ticks(Autoscaler(60.0, 2.0), 0.001, 30, ready=1)[-1] == 1


def test_of_a_model_that_was_away_only_the_part_of_the_window_counts_that_it_was_there() -> None:
    scaler = Autoscaler(60.0, 2.0)
    ticks(scaler, 0.0, 30, ready=1)
    scaler.forget()
    assert scaler.wanted(3.0, 1, 60.0) == 2


def test_a_burst_is_met_by_its_last_tenth_of_a_window_and_kept_for_a_window() -> None:
    scaler = Autoscaler(60.0, 2.0)
    ticks(scaler, 1.0, 30, ready=1)
    burst = ticks(scaler, 20.0, 3, ready=1, begin_s=60.0)
    assert burst[-1] == 10  # the window's average, (27 + 60) / 30, would make it 2
    assert set(ticks(scaler, 1.0, 28, ready=10, begin_s=66.0)) == {10}
    after = ticks(scaler, 1.0, 10, ready=10, begin_s=66.0 + 2.0 * 28)
    assert after[-1] == 5  # one pod would do: a tick halves at most


def test_a_model_that_is_not_asked_goes_when_its_last_call_has_left_the_window() -> None:
    scaler = Autoscaler(60.0, 2.0)
    scaler.wanted(1.0, 1, 0.0)
    assert ticks(scaler, 0.0, 30, ready=1, begin_s=2.0) == [1] * 29 + [0]
