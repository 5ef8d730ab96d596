"""The account of one process: whatever is spent is claimed once, by the requests or by nobody."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.edge.meter import Reading
from services.edge.receipts import GIB, Allocation
from services.model.ledger import Ledger


def at(wall_s: float, cpu_s: float, thread_s: float = 0.0) -> Reading:
    return Reading(wall_s, cpu_s, GIB, thread_s)


def ledger() -> Ledger:
    return Ledger(Reading(0, 0, 0), one_thread=True)


def test_the_first_request_is_told_what_the_start_took() -> None:
    book = ledger()
    book.arrive(100, lambda: at(2, 1.5))
    claim = book.claim(100, at(2, 1.5, 7.0), at(3, 2.25, 7.5))
    assert (claim.cpu_s, claim.idle_cpu_s, claim.gb_s) == (0.75, 1.5, 3)


def test_work_around_a_pass_goes_by_bytes() -> None:
    book = ledger()
    book.arrive(100, lambda: at(1, 1))
    book.arrive(300, lambda: at(1, 1))
    first = book.claim(100, at(1, 1, 0.0), at(2, 1.5, 0.1))  # 0.4 s around a pass of 0.1 s
    second = book.claim(300, at(2, 1.5, 0.1), at(3, 2.0, 0.5))
    assert first.cpu_s == pytest.approx(0.1 + 0.4 / 4)
    assert second.cpu_s == pytest.approx(0.4 + 0.3 + 0.1)


def test_a_short_rest_belongs_to_the_next_request_and_a_long_one_to_its_allocation_alone() -> None:
    book = ledger()
    book.arrive(1, lambda: at(0, 0))
    book.claim(1, at(0, 0), at(1, 0))
    book.arrive(1, lambda: at(2, 0.25))
    short = book.claim(1, at(2, 0.25), at(2, 0.25))
    book.arrive(1, lambda: at(100, 1.25))
    long = book.claim(1, at(100, 1.25), at(100, 1.25))
    assert (short.cpu_s, short.idle_cpu_s) == (0.25, 0)
    assert (long.cpu_s, long.idle_cpu_s, long.gb_s) == (0, 1, 98)
    assert long.allocation == Allocation(1, 98)


def test_what_was_computed_for_nobody_is_unclaimed_and_said_once() -> None:
    book = ledger()
    book.arrive(1, lambda: at(0, 0))
    book.waste(1, at(0, 0, 0), at(1, 2, 2))
    assert (book.unclaimed(), book.unclaimed()) == (Allocation(2, 1), Allocation())


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "claim", "give_up", "waste", "leave"]),
        st.integers(1, 10**7),
        st.floats(0, 20),
        st.floats(0, 2),
        st.floats(0, 1),
    ),
    max_size=40,
)


@given(EVENTS, st.booleans())
def test_claims_unclaimed_and_rest_are_what_was_spent(
    events: list[tuple[str, int, float, float, float]], one_thread: bool
) -> None:
    book = Ledger(Reading(0, 0, 0), one_thread)
    waiting: list[int] = []
    now = at(0, 0)
    claimed = Allocation()
    for what, size_bytes, wall_s, cpu_s, share in events:
        before = now
        now = at(now.wall_s + wall_s, now.cpu_s + cpu_s, now.thread_s + share * cpu_s)
        if what == "arrive" or not waiting:
            book.arrive(size_bytes, partial(at, now.wall_s, now.cpu_s, now.thread_s))
            waiting.append(size_bytes)
        elif what == "claim":
            claim = book.claim(waiting.pop(0), before, now)
            assert claim.cpu_s >= 0
            claimed += claim.allocation
        elif what == "give_up":
            book.give_up(waiting.pop(0), now)
        elif what == "waste":
            book.waste(waiting.pop(0), before, now)
        else:
            book.leave(waiting.pop(0))
        if size_bytes % 3 == 0:
            claimed += book.unclaimed()
    everything = claimed + book.rest(now)
    assert everything.cpu_seconds == pytest.approx(now.cpu_s)
    assert everything.gb_seconds == pytest.approx(now.wall_s)
