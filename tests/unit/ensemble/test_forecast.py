"""How long a member would take, from what it took: its queue, its starts, its lateness, and what is not known."""

import random
from collections import deque
from collections.abc import Callable
from statistics import median

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.ensemble.fan_out import SharedPass
from services.ensemble.forecast import Forecasts, Ticket

EVENTS = ("begin", "answered", "cold", "late", "failed")


def served(forecasts: Forecasts, began_s: float, ended_s: float, pictures: int = 1, cold: bool = False) -> None:
    forecasts.answered(forecasts.begin("m", pictures, began_s), ended_s, cold)


def test_a_member_never_asked_takes_no_time() -> None:
    assert Forecasts().forecast_s("m", 100, 0.0) == 0.0


def test_a_rested_member_is_forecast_to_take_the_middle_of_its_newest_times() -> None:
    chance = random.Random(0)
    forecasts = Forecasts()
    times_s = [chance.choice((0.1, 0.2, chance.random())) for _ in range(80)]
    now_s = 0.0
    for number, time_s in enumerate(times_s, 1):
        served(forecasts, now_s, now_s + time_s)
        now_s += time_s
        assert forecasts.forecast_s("m", 1, now_s) == pytest.approx(median(times_s[max(0, number - 31) : number]))


def test_pictures_and_what_is_under_way_add_up() -> None:
    forecasts = Forecasts()
    served(forecasts, 0.0, 0.1)
    served(forecasts, 0.1, 0.2)
    assert forecasts.forecast_s("m", 3, 0.2) == pytest.approx(0.3, rel=0.5)
    before_s = forecasts.forecast_s("m", 1, 0.2)
    forecasts.begin("m", 2, 0.2)
    # What waits ahead counts for 1.3 times what it usually takes.
    assert forecasts.forecast_s("m", 1, 0.2) == pytest.approx(before_s + 1.3 * 0.2)
    assert forecasts.forecast_s("m", 1, 0.25) == pytest.approx(before_s + 1.3 * 0.15, rel=0.05)


def test_requests_that_overlap_are_worked_on_one_after_the_other() -> None:
    forecasts = Forecasts()
    tickets = [forecasts.begin("m", 1, 0.0) for _ in range(10)]
    for number, ticket in enumerate(tickets):
        forecasts.answered(ticket, 0.1 * (number + 1), cold=False)
    for number in range(31):  # what was exceeded before anything was known is forgotten
        served(forecasts, 1.0 + 0.1 * number, 1.1 + 0.1 * number)
    assert forecasts.forecast_s("m", 1, 4.1) == pytest.approx(0.1)


def test_a_start_is_forecast_after_a_rest_that_ended_in_one() -> None:
    forecasts = Forecasts()
    served(forecasts, 0.0, 3.0, cold=True)
    served(forecasts, 3.0, 3.1)
    served(forecasts, 33.0, 33.1)  # it was still there after half a minute
    served(forecasts, 100.0, 102.1, cold=True)  # not after 67 s
    assert forecasts.is_cold("m", 170.0)
    assert not forecasts.is_cold("m", 130.0)
    assert forecasts.forecast_s("m", 1, 170.0) > 1.9
    forecasts.runs("m", 170.0)
    assert not forecasts.is_cold("m", 171.0)


def test_a_pod_that_starts_beside_a_busy_one_does_not_make_it_cold_after_a_short_rest() -> None:
    forecasts = Forecasts()
    served(forecasts, 0.0, 0.1)
    first, second = forecasts.begin("m", 1, 1.0), forecasts.begin("m", 1, 1.05)
    forecasts.answered(first, 1.1, cold=False)
    forecasts.answered(second, 4.0, cold=True)
    assert not forecasts.is_cold("m", 10.0)
    assert forecasts.forecast_s("m", 1, 10.0) == pytest.approx(0.1, rel=0.5)


def test_a_member_that_is_late_is_thought_busy_for_as_long_again() -> None:
    forecasts = Forecasts()
    for number in range(10):
        served(forecasts, 0.1 * number, 0.1 * number + 0.02)
    ticket = forecasts.begin("m", 1, 1.0)
    forecasts.late(ticket, 1.5)
    assert forecasts.forecast_s("m", 1, 1.6) > 0.4
    served(forecasts, 1.6, 1.62)
    assert forecasts.forecast_s("m", 1, 1.62) < 0.05


def test_a_forecast_that_nothing_confirms_fades() -> None:
    forecasts = Forecasts()
    served(forecasts, 0.0, 8.0)
    now_s = forecasts.forecast_s("m", 1, 8.0)
    assert forecasts.forecast_s("m", 1, 18.0) == pytest.approx(now_s / 2)
    assert forecasts.forecast_s("m", 1, 108.0) < 0.02


class Member:
    """One that works on one request after the other, on a clock of its own; who has gone is passed over."""

    def __init__(self, takes_s: Callable[[], float], deadline_s: float):
        self._takes_s, self._deadline_s = takes_s, deadline_s
        self._forecasts = Forecasts()
        self._ends: deque[tuple[float, float, Ticket]] = deque()
        self._free_s = 0.0
        self.answered = self.late = 0

    def ask(self, now_s: float) -> None:
        """A request arrives, and is taken where its answer is forecast to be in."""
        while self._ends and min(self._ends[0][:2]) <= now_s:
            ends_s, latest_s, ticket = self._ends.popleft()
            if ends_s < latest_s:
                self._forecasts.answered(ticket, ends_s, cold=False)
                self.answered += 1
            else:
                self._forecasts.late(ticket, latest_s)
                self.late += 1
        if self._forecasts.forecast_s("m", 1, now_s) <= self._deadline_s:
            begins_s, latest_s = max(self._free_s, now_s), now_s + self._deadline_s
            if begins_s < latest_s:
                self._free_s = begins_s + self._takes_s()
            self._ends.append((self._free_s, latest_s, self._forecasts.begin("m", 1, now_s)))


@pytest.mark.parametrize(
    ("deadline_s", "pauses", "answered", "late"),
    [(0.2, 0.0, 0.98, 0.01), (0.2, 0.05, 0.8, 0.2), (0.05, 0.0, 0.78, 0.03)],
)
def test_under_twice_its_load_a_member_answers_what_it_can_in_time(
    deadline_s: float, pauses: float, answered: float, late: float
) -> None:
    chance = random.Random(0)

    def takes_s() -> float:
        return 0.03 + chance.expovariate(1 / 0.002) + 0.08 * (chance.random() < pauses)

    member, now_s, mean_s = Member(takes_s, deadline_s), 0.0, 0.032 + 0.08 * pauses
    for _ in range(3000):
        now_s += chance.expovariate(2 / mean_s)
        member.ask(now_s)
    assert member.answered >= answered * now_s / mean_s
    assert member.late <= late * member.answered


def in_passes(forecasts: Forecasts, rounds: int, pictures: int, pass_s: float) -> float:
    """So many passes of requests of a picture each, all under way at once; returns when the last one ends."""
    tickets = [forecasts.begin("m", 1, 0.0) for _ in range(rounds * pictures)]
    for number in range(rounds):
        for place in range(pictures):
            ends_s = (number + 1) * pass_s + 1e-4 * place  # they come one after the other, at the end of their pass
            forecasts.answered(tickets.pop(), ends_s, cold=False, shared=SharedPass(number, pictures, 8))
    return rounds * pass_s + 1e-4 * (pictures - 1)


def test_requests_that_run_together_share_the_time_of_their_pass() -> None:
    forecasts = Forecasts()
    now_s = in_passes(forecasts, rounds=20, pictures=8, pass_s=0.08)
    for _ in range(16):
        forecasts.begin("m", 1, now_s)
    # Two passes are under way, which count for 1.3 times what they take; one's own is a whole one.
    assert forecasts.forecast_s("m", 1, now_s) == pytest.approx(1.3 * 0.16 + 0.08, rel=0.05)


def test_a_request_takes_no_less_than_a_pass_where_it_may_share_one() -> None:
    forecasts = Forecasts()
    now_s = in_passes(forecasts, rounds=20, pictures=8, pass_s=0.08)
    assert forecasts.forecast_s("m", 1, now_s) == pytest.approx(0.08, rel=0.05)


class Together:
    """One that runs those that wait together, eight at most, in passes of 20 ms and 5 more for each."""

    LARGEST, MOST_S = 8, 0.06

    def __init__(self, deadline_s: float):
        self._deadline_s = deadline_s
        self._forecasts = Forecasts()
        self._waiting: deque[tuple[float, Ticket]] = deque()
        self._running: list[tuple[float, Ticket]] = []
        self._ends_s = 0.0
        self.passes = 0
        self.answered = self.late = 0

    def ask(self, now_s: float) -> None:
        """A request arrives, and is taken where its answer is forecast to be in."""
        while self._running and self._ends_s <= now_s:
            shared = SharedPass(self.passes, len(self._running), self.LARGEST)
            for came_s, ticket in self._running:
                if self._ends_s <= came_s + self._deadline_s:
                    self._forecasts.answered(ticket, self._ends_s, cold=False, shared=shared)
                    self.answered += 1
                else:
                    self._forecasts.late(ticket, came_s + self._deadline_s)
                    self.late += 1
            self._begin(self._ends_s)
        if self._forecasts.forecast_s("m", 1, now_s) <= self._deadline_s:
            self._waiting.append((now_s, self._forecasts.begin("m", 1, now_s)))
        if not self._running:
            self._begin(now_s)

    def _begin(self, now_s: float) -> None:
        self._running = [self._waiting.popleft() for _ in range(min(self.LARGEST, len(self._waiting)))]
        self._ends_s = now_s + 0.02 + 0.005 * len(self._running)
        self.passes += 1


@pytest.mark.parametrize("deadline_s", [0.15, 0.5])
def test_under_twice_its_load_a_member_that_runs_requests_together_answers_what_it_can_in_time(
    deadline_s: float,
) -> None:
    chance = random.Random(0)
    member, now_s = Together(deadline_s), 0.0
    capacity = Together.LARGEST / Together.MOST_S
    for _ in range(4000):
        now_s += chance.expovariate(2 * capacity)
        member.ask(now_s)
    assert member.answered >= 0.95 * now_s * capacity
    assert member.late <= 0.01 * member.answered


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["begin", "answered", "cold", "late", "failed"]), st.integers(1, 64), st.floats(0, 5)
        ),
        max_size=60,
    )
)
def test_forecasts_are_times_whatever_happens(events: list[tuple[str, int, float]]) -> None:
    forecasts, now_s = Forecasts(), 0.0
    under_way: list[Ticket] = []
    for what, pictures, passes_s in events:
        now_s += passes_s
        if what == "begin" or not under_way:
            under_way.append(forecasts.begin("m", pictures, now_s))
        elif what == "late":
            forecasts.late(under_way.pop(), now_s)
        elif what == "failed":
            forecasts.failed(under_way.pop())
        else:
            forecasts.answered(under_way.pop(0), now_s, cold=what == "cold")
        assert 0 <= forecasts.forecast_s("m", pictures, now_s) < float("inf")
        assert forecasts.forecast_s("m", pictures + 1, now_s) >= forecasts.forecast_s("m", pictures, now_s)
    for ticket in under_way:
        forecasts.failed(ticket)
    assert forecasts.forecast_s("m", 1, now_s + 1e6) >= 0
