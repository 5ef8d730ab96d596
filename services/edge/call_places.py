"""The places of a server's calls: one that waits for its caller gives way to others, and at last anyway."""

import time
from collections.abc import Callable

from services.edge.deadline import Clock
from services.edge.errors import BodyTooSlow, QueueFull, StrataError

STALLED_AFTER_S = 1.0
"""A call that has waited so long for its caller gives way. Messages of callers that mean well are here sooner: were a
call to give way at once, those of a crowd would chase each other out, and none would be answered."""


class CallPlace:
    """The place of one call.

    Attributes:
        refusal: what a call is told that had to end; set before it is ended.
    """

    def __init__(self, places: "CallPlaces"):
        self._places = places
        self.waits_since_s = 0.0
        self.has_limit = True
        self.end: Callable[[], object] | None = None
        self.refusal: StrataError | None = None

    def await_message(self, end: Callable[[], object], has_limit: bool) -> None:
        """Note that the caller has to send.

        Args:
            end: ends the call when it gives way; its place is another's by then.
            has_limit: whether it also ends where nobody needs its place.
        """
        self.end, self.has_limit = end, has_limit
        self._places.begin_wait(self)

    def go_on(self) -> None:
        """Note that the message is here."""
        self._places.end_wait(self)

    def await_reader(self) -> None:
        """Note that the caller has to take the answer. Such a call is not ended: nothing is left to be done for it."""
        self.end, self.has_limit = None, True
        self._places.begin_wait(self)

    def leave(self) -> None:
        """Free the place; again does nothing."""
        self._places.remove(self)


class CallPlaces:
    """As many places as calls may be under way at a time.

    Whoever needs a place looks for a call that stalls, and `end_late` is called now and then: a call that does not
    stall costs no timer. For one event loop: it is asked in its thread alone.
    """

    def __init__(self, limit: int, longest_wait_s: float, clock: Clock = time.monotonic):
        """Have no call yet.

        Args:
            limit: calls under way at a time.
            longest_wait_s: a call that has waited so long for its caller gives way, whether its place is needed or not.
        """
        self._limit = limit
        self._longest_wait_s = longest_wait_s
        self._clock = clock
        self._taken: set[CallPlace] = set()
        # In the order in which they began to wait.
        self._waiting: dict[CallPlace, None] = {}

    def take(self) -> CallPlace:
        """Take a place; where none is free, that of the call that has waited longest for its caller.

        Raises:
            QueueFull: no place is free, and no call stalls.
        """
        if len(self._taken) >= self._limit:
            self._make_room()
        place = CallPlace(self)
        self._taken.add(place)
        return place

    def begin_wait(self, place: CallPlace) -> None:
        """Count a place, unless it was given away, among those whose calls wait for their callers."""
        if place in self._taken:
            place.waits_since_s = self._clock()
            self._waiting[place] = None

    def end_wait(self, place: CallPlace) -> None:
        """Count it there no longer."""
        self._waiting.pop(place, None)

    def remove(self, place: CallPlace) -> None:
        """Free a place."""
        self._taken.discard(place)
        self._waiting.pop(place, None)

    def end_late(self) -> bool:
        """Let go of the calls that have waited for too long, and tell whether others wait."""
        since_s = self._clock() - self._longest_wait_s
        for place in [each for each in self._waiting if each.has_limit and each.waits_since_s <= since_s]:
            self._let_go(place, BodyTooSlow(f"no whole message came in {self._longest_wait_s:.0f} s; send it faster"))
        return bool(self._waiting)

    def _make_room(self) -> None:
        full = f"{self._limit} calls are under way, the most there may be; try again soon"
        oldest = next(iter(self._waiting), None)
        if oldest is None:
            raise QueueFull(full)
        waited_s = self._clock() - oldest.waits_since_s
        if waited_s < STALLED_AFTER_S:
            raise QueueFull(full, STALLED_AFTER_S - waited_s)
        said = f"no whole message came in {waited_s:.1f} s, and another call needed the place; try again soon"
        self._let_go(oldest, QueueFull(said))

    def _let_go(self, place: CallPlace, refusal: StrataError) -> None:
        self.remove(place)
        if place.end:
            place.refusal = refusal
            place.end()
