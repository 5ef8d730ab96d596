"""The front door of a simulated fleet: its requests, their calls, and each model's places."""

from collections import deque
from typing import Protocol

from services.ensemble.fleet.autoscaler import TICK_S
from services.ensemble.fleet.pods import ModelPods, Scale
from services.ensemble.forecast import Forecasts, Ticket


class Asks(Protocol):
    """Who waits for calls."""

    def answered(self, call: "FleetCall", cold: bool) -> None:
        """Take a call's answer."""


class FleetMember:
    """A model as the front door has it: requests wait for one of its places, as in `Places`."""

    __slots__ = ("_free", "_waiting", "name", "pods", "waking")

    def __init__(self, name: str, pods: ModelPods, places: int):
        self.name = name
        self.pods = pods
        self.waking = False
        self._free = places
        self._waiting: deque[FleetCall] = deque()

    def ask(self, call: "FleetCall") -> None:
        """Send a call to the pods, now or when a place comes free."""
        if self._free:
            self._free -= 1
            self._send(call)
        else:
            self._waiting.append(call)

    def leave(self) -> None:
        """Give a place back, to who has waited longest."""
        while self._waiting:
            call = self._waiting.popleft()
            if call.wanted:
                self._send(call)
                return
        self._free += 1

    def _send(self, call: "FleetCall") -> None:
        call.sent = True
        self.pods.send(call)


class FleetRequest:
    """One request; its `calls` are there until it has ended."""

    __slots__ = ("answers", "began_s", "calls", "ended", "members", "number")

    def __init__(self, number: int, began_s: float, members: int):
        self.number = number
        self.began_s = began_s
        self.members = members
        self.answers = 0
        self.ended = False
        self.calls: list[FleetCall] = []


class FleetCall:
    """A member's part of one request; a `Work`."""

    __slots__ = ("_asks", "member", "request", "sent", "service_s", "ticket", "wanted")

    def __init__(self, asks: Asks, request: FleetRequest, member: FleetMember, service_s: float, ticket: Ticket):
        self._asks = asks
        self.request = request
        self.member = member
        self.service_s = service_s
        self.ticket = ticket
        self.wanted = True
        self.sent = False

    def answered(self, cold: bool) -> None:
        """Hand the answer to who asked."""
        self._asks.answered(self, cold)


def teach(forecasts: Forecasts, model: str, usual_s: float, rested_s: float, scale: Scale) -> None:
    """Let the front door know of a model what it would have learnt: its time, and after which rest it has to start."""
    warm_s = -rested_s - usual_s
    cold_s = warm_s - usual_s - scale.start_s
    first_s = cold_s - scale.window_s - TICK_S - usual_s
    learnt = [(first_s, first_s + usual_s, False), (warm_s, warm_s + usual_s, False)]
    if not scale.least:
        learnt.insert(1, (cold_s, warm_s, True))
    for began_s, ended_s, cold in learnt:
        forecasts.answered(forecasts.begin(model, 1, began_s), ended_s, cold)
