"""Places of calls: who gives way to whom, and when."""

import pytest

from services.edge.call_places import STALLED_AFTER_S, CallPlace, CallPlaces
from services.edge.errors import BodyTooSlow, QueueFull

LONGEST_WAIT_S = 10.0


class Hand:
    """A clock that is set by hand."""

    now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def places(clock: Hand) -> CallPlaces:
    return CallPlaces(2, LONGEST_WAIT_S, clock)


@pytest.fixture
def ended() -> list[CallPlace]:
    return []


def stalled(places: CallPlaces, ended: list[CallPlace], has_limit: bool = True) -> CallPlace:
    place = places.take()
    place.await_message(lambda: ended.append(place), has_limit)
    return place


def test_the_call_that_waited_longest_gives_way(places: CallPlaces, clock: Hand, ended: list[CallPlace]) -> None:
    first = stalled(places, ended)
    clock.now_s += 0.1
    stalled(places, ended)
    clock.now_s += STALLED_AFTER_S
    places.take()
    assert ended == [first]
    assert isinstance(first.refusal, QueueFull)


def test_who_has_not_waited_for_long_keeps_its_place_and_the_new_one_hears_when_there_is_room(
    places: CallPlaces, clock: Hand, ended: list[CallPlace]
) -> None:
    stalled(places, ended)
    stalled(places, ended)
    clock.now_s += 0.75 * STALLED_AFTER_S
    with pytest.raises(QueueFull) as refused:
        places.take()
    assert refused.value.retry_after_s == pytest.approx(0.25 * STALLED_AFTER_S)
    assert not ended


def test_a_call_that_is_computed_never_gives_way(places: CallPlaces, clock: Hand, ended: list[CallPlace]) -> None:
    stalled(places, ended).go_on()
    stalled(places, ended).go_on()
    clock.now_s += 100 * LONGEST_WAIT_S
    assert not places.end_late()
    with pytest.raises(QueueFull):
        places.take()
    assert not ended


def test_a_message_that_is_late_ends_its_call_where_nobody_needs_the_place(
    places: CallPlaces, clock: Hand, ended: list[CallPlace]
) -> None:
    late, stream = stalled(places, ended), stalled(places, ended, has_limit=False)
    clock.now_s += 0.9 * LONGEST_WAIT_S
    assert places.end_late()
    assert not ended
    clock.now_s += 0.1 * LONGEST_WAIT_S
    assert places.end_late()  # the stream still waits: it has no limit
    assert ended == [late]
    assert isinstance(late.refusal, BodyTooSlow)
    assert stream.refusal is None


def test_an_answer_that_nobody_takes_loses_its_place_and_is_not_ended(
    places: CallPlaces, clock: Hand, ended: list[CallPlace]
) -> None:
    unread = stalled(places, ended)
    unread.go_on()
    unread.await_reader()
    places.take()
    clock.now_s += STALLED_AFTER_S
    places.take()
    with pytest.raises(QueueFull):
        places.take()
    assert not ended


def test_a_place_that_was_given_away_is_not_counted_again(
    places: CallPlaces, clock: Hand, ended: list[CallPlace]
) -> None:
    gone = stalled(places, ended)
    clock.now_s += LONGEST_WAIT_S
    places.end_late()
    gone.await_reader()
    assert not places.end_late()
    gone.leave()
    places.take()
    places.take()
    with pytest.raises(QueueFull):
        places.take()
