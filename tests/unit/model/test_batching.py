"""Which requests run together, and when: on a clock that the test moves."""

import math

from services.model.batching import BatchQueue
from services.zoo.manifest import Batching


def queue(largest: int = 4, wait_ms: float = 10, took_s: float | None = None) -> BatchQueue[str]:
    """A queue that has seen a pass of one picture, which took `took_s` and ended at 0."""
    made: BatchQueue[str] = BatchQueue(Batching(largest, wait_ms))
    if took_s is not None:
        made.ended(1, took_s, 0.0)
    return made


def fill(
    made: BatchQueue[str], names: str, arrived_s: float = 0.0, latest_s: float = math.inf, pictures: int = 1
) -> None:
    for name in names:
        made.add(name, pictures, arrived_s, latest_s)


def test_what_waits_runs_together_up_to_the_largest_in_the_order_it_came() -> None:
    made = queue()
    fill(made, "abcdef")
    assert [made.take(0.0), made.take(0.0), made.take(0.0)] == [["a", "b", "c", "d"], ["e", "f"], []]


def test_off_is_one_request_at_a_time_however_large_it_is() -> None:
    made: BatchQueue[str] = BatchQueue(Batching())
    fill(made, "ab", pictures=64)
    assert made.begins_s < 0
    assert [made.take(0.0), made.take(0.0)] == [["a"], ["b"]]


def test_who_asks_alone_is_never_held() -> None:
    made = queue(took_s=0.02)
    fill(made, "a", arrived_s=5.0)
    assert made.begins_s < 5.0


def test_after_a_pass_of_three_the_next_is_held_for_as_many_from_when_it_could_begin() -> None:
    made = queue()
    made.ended(3, 0.05, now_s=7.0)
    fill(made, "a", arrived_s=6.99)
    assert made.begins_s == 7.0 + 0.01
    fill(made, "bc", arrived_s=7.002)
    assert made.begins_s < 7.0


def test_a_pass_is_not_held_past_what_a_deadline_allows() -> None:
    made = queue(wait_ms=100)
    made.ended(2, 0.08, now_s=1.0)
    fill(made, "a", arrived_s=1.0, latest_s=1.2)
    # One picture takes no longer than two did, 80 ms, and a quarter more to be sure.
    assert made.begins_s == 1.2 - 0.1


def test_none_joins_a_pass_that_would_then_be_late_for_one_who_is_in_time_without_it() -> None:
    made = queue(took_s=0.1)
    fill(made, "a", latest_s=0.2)
    fill(made, "bc")
    assert [made.take(0.0), made.take(0.1)] == [["a"], ["b", "c"]]


def test_one_who_is_late_already_keeps_nobody_from_joining() -> None:
    made = queue(took_s=0.1)
    fill(made, "a", latest_s=0.05)
    fill(made, "bc")
    assert made.take(0.0) == ["a", "b", "c"]


def test_who_goes_is_not_taken() -> None:
    made = queue()
    fill(made, "abc")
    assert (made.remove("b"), made.remove("b")) == (True, False)
    assert made.take(0.0) == ["a", "c"]
