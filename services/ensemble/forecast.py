"""How long each member would take just now, learnt from what it took before."""

import math
from bisect import bisect_left, insort
from collections import defaultdict, deque
from dataclasses import dataclass, field

from services.ensemble.fan_out import SharedPass

_KEPT = 31
"""Measurements of a member that count: the newest."""
_HALVED_AFTER_S = 10.0
"""A member that is forecast to be too late is not asked, and so not measured: a forecast that nothing has confirmed for
so long counts half, until the member is asked again."""
_SAFE = 0.8
"""The share of answers that shall be in by their forecasts: what is added for that, by how much those that had to wait
took longer than is likely. A member with nothing to do is asked without it: there is no better time to ask."""
_UNSURE = 1.3
"""What waits ahead is taken to last so much longer than usual: the more of it there is, the less is known of its end,
and the less does it cost to let it become shorter."""


@dataclass(frozen=True)
class Forecast:
    """How long a member takes until its answer.

    Attributes:
        likely_s: by what it takes usually.
        safe_s: the same, with what is added to be safe.
    """

    likely_s: float
    safe_s: float


@dataclass(frozen=True)
class Ticket:
    """A member's part of one request.

    Attributes:
        forecast: None where nothing was known of the member.
        gap_s: how long the member had rested, infinite where it was never asked, or had something to do: a pod that
            starts beside others says nothing of how long one stays that rests.
    """

    model: str
    pictures: int
    began_s: float
    forecast: Forecast | None
    gap_s: float


class _Newest:
    """The newest measurements of one kind, kept in the order of their size, too: each is looked at several times."""

    def __init__(self) -> None:
        self._values: deque[float] = deque()
        self._by_size: list[float] = []

    def __bool__(self) -> bool:
        return bool(self._values)

    def append(self, value: float) -> None:
        """Note one; the oldest is forgotten where there are enough."""
        if len(self._values) == _KEPT:
            del self._by_size[bisect_left(self._by_size, self._values.popleft())]
        self._values.append(value)
        insort(self._by_size, value)

    @property
    def median(self) -> float:
        """The middle one, or the middle of the middle two; 0 where there is none."""
        if not self._by_size:
            return 0.0
        middle, odd = divmod(len(self._by_size), 2)
        return self._by_size[middle] if odd else (self._by_size[middle - 1] + self._by_size[middle]) / 2

    @property
    def safe(self) -> float:
        """The smallest that `_SAFE` of them do not exceed; 0 where there is none."""
        return self._by_size[math.ceil(_SAFE * len(self._by_size)) - 1] if self._by_size else 0.0


@dataclass
class _Member:
    """What is known of one member.

    Attributes:
        picture_s: how long it was busy with a picture, each time; of pictures that ran together, its share.
        pass_s: how long it was busy with each pass, where requests run together in it.
        last_pass: that answered one.
        exceeded_s: by how much it took longer than was likely, at least 0.
        cold_s: what its starts added.
        pictures: under way.
        free_s: when it last ended something.
        busy_until_s: it was late, and nothing says that it has ended that work.
        warm_gap_s, cold_gap_s: the longest rest after which it still ran, and the shortest after which it did not.
    """

    picture_s: _Newest = field(default_factory=_Newest)
    pass_s: _Newest = field(default_factory=_Newest)
    exceeded_s: _Newest = field(default_factory=_Newest)
    cold_s: _Newest = field(default_factory=_Newest)
    pictures: int = 0
    busy_since_s: float = 0.0
    free_s: float = -math.inf
    busy_until_s: float = -math.inf
    warm_gap_s: float = 0.0
    cold_gap_s: float = math.inf
    last_pass: SharedPass | None = None

    def forecast(self, pictures: int, now_s: float) -> Forecast:
        likely_s = takes_s = self._likely_s(pictures, now_s)
        if self.pictures or self.busy_until_s > now_s:
            takes_s += self.exceeded_s.safe
        if self.is_cold(now_s):
            return Forecast(likely_s, takes_s + self.cold_s.median)
        return Forecast(likely_s, takes_s * math.exp2(-max(0.0, now_s - self.free_s) / _HALVED_AFTER_S))

    def _likely_s(self, pictures: int, now_s: float) -> float:
        """Say how long it likely takes, after what is under way, while it runs."""
        picture_s = self.picture_s.median
        queued_s = max(0.0, self.pictures * picture_s - max(0.0, now_s - max(self.free_s, self.busy_since_s)))
        # Its own pass is no shorter for being shared with those ahead, and with those to come.
        pass_s = self.pass_s.median
        return _UNSURE * max(queued_s, self.busy_until_s - now_s) + max(pictures * picture_s, pass_s)

    def was_busy(self, pictures: int, busy_s: float, shared: SharedPass | None) -> None:
        """Note how long it took for a request; a pass counts once, for whichever of its answers came first."""
        if shared is None or pictures > shared.largest:
            self.picture_s.append(busy_s / pictures)
        elif shared != self.last_pass:
            self.picture_s.append(busy_s / shared.pictures)
            self.pass_s.append(busy_s)
        self.last_pass = shared

    def is_cold(self, now_s: float) -> bool:
        """Tell whether it has rested for longer than it stays, by all that was seen so far."""
        gap_s = now_s - self.free_s
        return not self.pictures and bool(self.cold_s) and gap_s >= self.cold_gap_s and gap_s > self.warm_gap_s


class Forecasts:
    """Forecasts for members by name; one that was never asked is forecast to take no time: asking it is how to know.

    A member works on one thing at a time, in the order of asking: it was busy with what it ended since it ended the
    thing before. That holds the way to it and what others take from its machine, without knowing either. Where requests
    run together, that thing is a pass.
    """

    def __init__(self) -> None:
        self._members: defaultdict[str, _Member] = defaultdict(_Member)

    def forecast_s(self, model: str, pictures: int, now_s: float) -> float:
        """Say how long a member would take from now until it answers a request."""
        return self._members[model].forecast(pictures, now_s).safe_s

    def is_cold(self, model: str, now_s: float) -> bool:
        """Tell whether a member will have to start first, as far as is known."""
        return self._members[model].is_cold(now_s)

    def begin(self, model: str, pictures: int, now_s: float) -> Ticket:
        """Note that a member is going to be asked."""
        member = self._members[model]
        forecast = member.forecast(pictures, now_s) if member.picture_s else None
        gap_s = math.inf if member.pictures else now_s - member.free_s
        ticket = Ticket(model, pictures, now_s, forecast, gap_s)
        if not member.pictures:
            member.busy_since_s = now_s
        member.pictures += pictures
        return ticket

    def answered(self, ticket: Ticket, now_s: float, cold: bool, shared: SharedPass | None = None) -> None:
        """Note that it has answered.

        Args:
            cold: its process had to start for it.
            shared: the pass it ran in, of a member in which requests run together.
        """
        member = self._members[ticket.model]
        member.pictures -= ticket.pictures
        if cold:
            typical_s = ticket.pictures * member.picture_s.median
            member.cold_s.append(max(0.0, now_s - ticket.began_s - typical_s))
            member.cold_gap_s = min(member.cold_gap_s, ticket.gap_s)
        else:
            member.was_busy(ticket.pictures, now_s - max(ticket.began_s, member.free_s), shared)
            if ticket.forecast:
                member.exceeded_s.append(max(0.0, now_s - ticket.began_s - ticket.forecast.likely_s))
            if math.isfinite(ticket.gap_s):
                member.warm_gap_s = max(member.warm_gap_s, ticket.gap_s)
        member.free_s, member.busy_until_s = now_s, -math.inf

    def late(self, ticket: Ticket, now_s: float) -> None:
        """Note that nobody waits for its answer any longer. As long as it has taken, it may take again."""
        member = self._members[ticket.model]
        member.pictures -= ticket.pictures
        took_s = now_s - ticket.began_s
        if ticket.forecast is None:
            member.busy_until_s = now_s + took_s
        elif took_s > ticket.forecast.safe_s:
            member.exceeded_s.append(took_s - ticket.forecast.likely_s)
            member.busy_until_s = now_s + took_s

    def failed(self, ticket: Ticket) -> None:
        """Note that it has failed: that says nothing of how long it takes."""
        self._members[ticket.model].pictures -= ticket.pictures

    def runs(self, model: str, now_s: float) -> None:
        """Note that a member runs, without having been asked for an answer."""
        member = self._members[model]
        member.free_s = max(member.free_s, now_s)
