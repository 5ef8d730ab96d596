from services.edge.deadline import Deadline


class ManualClock:
    def __init__(self, now_s: float) -> None:
        self.now_s = now_s

    def __call__(self) -> float:
        return self.now_s


def test_the_time_that_remains_shrinks_to_nothing_and_no_further() -> None:
    clock = ManualClock(100.0)
    deadline = Deadline.after(2.0, clock)
    clock.now_s = 101.5
    assert (deadline.remaining_s, deadline.passed) == (0.5, False)
    assert (deadline.passes_within(0.4), deadline.passes_within(0.5)) == (False, True)
    clock.now_s = 103.0
    assert (deadline.remaining_s, deadline.passed) == (0.0, True)


def test_without_an_instant_it_never_passes() -> None:
    for deadline in (Deadline(), Deadline.after(None)):
        assert (deadline.remaining_s, deadline.passed, deadline.passes_within(1e9)) == (None, False, False)
