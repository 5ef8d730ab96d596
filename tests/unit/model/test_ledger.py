"""The account of one process: whatever is spent is claimed once, by the requests or by nobody."""

from functools import partial

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.edge.meter import Reading
from services.edge.receipts import GIB, Allocation
from services.model.ledger import Claim, Ledger, Part


def at(wall_s: float, cpu_s: float, thread_s: float = 0.0) -> Reading:
    return Reading(wall_s, cpu_s, GIB, thread_s)


def ledger() -> Ledger:
    return Ledger(Reading(0, 0, 0), one_thread=True)


def pay(book: Ledger, size_bytes: int, before: Reading, after: Reading) -> Claim:
    """A pass of one request."""
    (claim,) = book.claim([Part(size_bytes)], before, after)
    return claim


def test_the_first_request_is_told_what_the_start_took() -> None:
    book = ledger()
    book.arrive(100, lambda: at(2, 1.5))
    claim = pay(book, 100, at(2, 1.5, 7.0), at(3, 2.25, 7.5))
    assert (claim.cpu_s, claim.idle_cpu_s, claim.gb_s) == (0.75, 1.5, 3)


def test_work_around_a_pass_goes_by_bytes() -> None:
    book = ledger()
    book.arrive(100, lambda: at(1, 1))
    book.arrive(300, lambda: at(1, 1))
    first = pay(book, 100, at(1, 1, 0.0), at(2, 1.5, 0.1))  # 0.4 s around a pass of 0.1 s
    second = pay(book, 300, at(2, 1.5, 0.1), at(3, 2.0, 0.5))
    assert first.cpu_s == pytest.approx(0.1 + 0.4 / 4)
    assert second.cpu_s == pytest.approx(0.4 + 0.3 + 0.1)


def test_a_short_rest_belongs_to_the_next_request_and_a_long_one_to_its_allocation_alone() -> None:
    book = ledger()
    book.arrive(1, lambda: at(0, 0))
    pay(book, 1, at(0, 0), at(1, 0))
    book.arrive(1, lambda: at(2, 0.25))
    short = pay(book, 1, at(2, 0.25), at(2, 0.25))
    book.arrive(1, lambda: at(100, 1.25))
    long = pay(book, 1, at(100, 1.25), at(100, 1.25))
    assert (short.cpu_s, short.idle_cpu_s) == (0.25, 0)
    assert (long.cpu_s, long.idle_cpu_s, long.gb_s) == (0, 1, 98)
    assert long.allocation == Allocation(1, 98)


def test_what_was_computed_for_nobody_is_unclaimed_and_said_once() -> None:
    book = ledger()
    book.arrive(1, lambda: at(0, 0))
    book.keep(pay(book, 1, at(0, 0, 0), at(1, 2, 2)))
    assert (book.unclaimed(), book.unclaimed()) == (Allocation(2, 1), Allocation())


def test_those_who_run_together_share_the_pass_and_the_first_has_what_was_spent_before() -> None:
    book = ledger()
    for _ in range(2):
        book.arrive(100, lambda: at(2, 1))
    first, second = book.claim([Part(100, 0.25), Part(100, 0.75)], at(2, 1, 0), at(6, 3, 1))
    # A pass of 1 s by shares, and 1 s around it by bytes.
    assert (first.cpu_s, first.idle_cpu_s, first.gb_s) == (0.25 + 0.5, 1, 1.5)
    assert (second.cpu_s, second.idle_cpu_s, second.gb_s) == (0.75 + 0.5, 0, 4.5)


EVENTS = st.lists(
    st.tuples(
        st.sampled_from(["arrive", "claim", "together", "keep", "leave"]),
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
        elif what == "leave":
            book.leave(waiting.pop(0))
        else:
            running, waiting = (waiting, []) if what == "together" else (waiting[:1], waiting[1:])
            for claim in book.claim([Part(each, 1 / len(running)) for each in running], before, now):
                assert claim.cpu_s >= 0
                if what == "keep":
                    book.keep(claim)
                else:
                    claimed += claim.allocation
        if size_bytes % 3 == 0:
            claimed += book.unclaimed()
    everything = claimed + book.rest(now)
    assert everything.cpu_seconds == pytest.approx(now.cpu_s)
    assert everything.gb_seconds == pytest.approx(now.wall_s)
