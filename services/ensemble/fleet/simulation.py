"""A fleet of models as a discrete-event simulation: the front door's own decisions before simulated pods.

What is asked is forecast by `forecast`, chosen by `choice`, and cut at the deadline as `fan_out` does it; simulated are
the clock, the members and what Knative makes of the load. It says what a fleet would come to before there is one.
"""

import math
from collections.abc import Generator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

import numpy as np
import simpy

from services.edge.errors import LateAlready
from services.edge.progress import Progress, no_progress
from services.edge.receipts import Tariff
from services.ensemble.choice import choose_members
from services.ensemble.domain import EnsembleMode, WhenLate
from services.ensemble.fleet.autoscaler import TICK_S
from services.ensemble.fleet.door import FleetCall, FleetMember, FleetRequest, teach
from services.ensemble.fleet.load import FleetLoad
from services.ensemble.fleet.outcome import FleetOutcome, PodsHeld, RequestsEnded, sum_up
from services.ensemble.fleet.pod import after
from services.ensemble.fleet.pods import ModelPods, Scale
from services.ensemble.fleet.room import Room
from services.ensemble.fleet.spares import Spares
from services.ensemble.forecast import Forecasts
from services.ensemble.places import PLACES

Waits: TypeAlias = Generator[simpy.Event, Any, None]

_MIB_PER_GIB = 1024


@dataclass(frozen=True)
class Fleet:
    """What there is, and how it meets lateness.

    Attributes:
        cpus: of the cluster; each pod holds one.
        memory_gb: of the cluster, in GiB.
        memory_mb: that each pod holds, in MiB.
        spares: pods without a model that stay up and answer for members that start.
        spare_load_s: until one of them has loaded a model.
        min_members: fewer are no answer.
    """

    cpus: int
    memory_gb: float
    memory_mb: float
    scale: Scale
    deadline_s: float
    when_late: WhenLate
    spares: int = 0
    spare_load_s: float = 0.5
    min_members: int = 1

    @property
    def room(self) -> int:
        """The pods that it has room for."""
        return min(self.cpus, int(self.memory_gb * _MIB_PER_GIB / self.memory_mb))

    @property
    def places(self) -> int:
        """Calls that may be on their way to a model, as the chart has it: what starts as many pods as it may have."""
        return max(PLACES, round(self.scale.target * self.scale.most))


def simulate_fleet(fleet: Fleet, load: FleetLoad, tariff: Tariff, progress: Progress = no_progress) -> FleetOutcome:
    """Run the simulation; the same arguments give the same result."""
    return _FleetRun(fleet, load).run(tariff, progress)


class _FleetRun:
    def __init__(self, fleet: Fleet, load: FleetLoad):
        self._env = simpy.Environment()
        self._fleet = fleet
        self._load = load
        self._forecasts = Forecasts()
        self._room = Room(self._env, fleet.room)
        spares = fleet.spares if self._room.hold(fleet.spares) else 0
        self._spares = Spares(self._env, spares, fleet.spare_load_s)
        self._ensembles = [self._members(ensemble) for ensemble in range(len(load.rates))]
        requests = len(load.at_s)
        self._ended = RequestsEnded(np.full(requests, np.nan), *(np.zeros(requests, np.bool_) for _ in range(3)))

    def run(self, tariff: Tariff, progress: Progress) -> FleetOutcome:
        seconds = self._load.seconds
        self._env.process(self._arrivals())
        self._env.process(self._ticks(progress))
        self._env.run(seconds)
        held = self._held()
        self._env.run(seconds + self._fleet.deadline_s + TICK_S)
        return sum_up(self._ended, self._load.at_s, seconds, held, tariff)

    def _members(self, ensemble: int) -> list[FleetMember]:
        """Make an ensemble's members as they are when the simulation begins: those that were asked lately run."""
        fleet, load = self._fleet, self._load
        rested_s = float(load.rested_s[ensemble])
        members = []
        for number, usual_s in enumerate(load.usual_s[ensemble].tolist()):
            pods = ModelPods(self._env, self._room, fleet.scale, self._spares.claim)
            runs = rested_s < fleet.scale.window_s
            busy = load.rates[ensemble] * usual_s if runs else 0.0
            first = min(fleet.scale.most, math.ceil(busy / _share_busy(fleet.scale.target)))
            pods.begin_with(first, rested_s)
            member = FleetMember(f"{ensemble}.{number}", pods, fleet.places)
            if np.isfinite(rested_s):
                # Of pods that answer beside each other the front door sees an answer so much more often.
                teach(self._forecasts, member.name, usual_s / max(1, first), rested_s, fleet.scale)
            members.append(member)
        return members

    def _arrivals(self) -> Waits:
        load = self._load
        rows = zip(load.at_s.tolist(), load.ensemble.tolist(), load.service_s.tolist(), strict=True)
        for number, (at_s, ensemble, services_s) in enumerate(rows):
            yield self._env.timeout(at_s - self._env.now)
            self._arrives(number, self._ensembles[ensemble], services_s)

    def _ticks(self, progress: Progress) -> Waits:
        models = [member.pods for members in self._ensembles for member in members]
        while True:
            yield self._env.timeout(TICK_S)
            for pods in models:
                pods.tick()
            self._spares.let_go_of_rested()
            passed_s = min(self._env.now, self._load.seconds)
            progress(f"when late: {self._fleet.when_late}", round(passed_s), round(self._load.seconds))

    def _arrives(self, number: int, members: Sequence[FleetMember], services_s: Sequence[float]) -> None:
        """Start those members that are forecast to be in by the deadline, as `Predictor` does."""
        now_s, fleet = self._env.now, self._fleet
        forecasts_s = {member.name: self._forecasts.forecast_s(member.name, 1, now_s) for member in members}
        try:
            chosen: Sequence[str] = choose_members(
                forecasts_s,
                fleet.deadline_s,
                fleet.deadline_s,
                EnsembleMode.PARALLEL,
                fleet.when_late,
                fleet.min_members,
                lambda _: None,
            )
        except LateAlready:
            chosen = ()
        if len(chosen) < len(members):
            self._wake_cold([member for member in members if member.name not in chosen])
        if not chosen:
            self._ended.refused[number] = True
            return
        request = FleetRequest(number, now_s, len(members))
        request.calls = [
            FleetCall(self, request, member, service_s, self._forecasts.begin(member.name, 1, now_s))
            for member, service_s in zip(members, services_s, strict=True)
            if member.name in chosen
        ]
        self._ended.cold[number] = not all(call.member.pods.runs for call in request.calls)
        after(self._env, fleet.deadline_s, lambda _: self._cut(request))
        for call in request.calls:
            call.member.ask(call)

    def answered(self, call: FleetCall, cold: bool) -> None:
        """Note a member's answer; a request is answered when those that were asked are in."""
        now_s, request = self._env.now, call.request
        self._forecasts.answered(call.ticket, now_s, cold)
        call.wanted = False
        call.member.leave()
        request.answers += 1
        if request.answers == len(request.calls):
            self._end(request, now_s)

    def _cut(self, request: FleetRequest) -> None:
        """Answer with the members that are in, and cancel the others."""
        if request.ended:
            return
        now_s = self._env.now
        for call in request.calls:
            if call.wanted:
                call.wanted = False
                self._forecasts.late(call.ticket, now_s)
                if call.sent:
                    call.member.pods.ended()
                    call.member.leave()
        self._end(request, now_s)

    def _end(self, request: FleetRequest, now_s: float) -> None:
        request.ended = True
        request.calls = []
        if request.answers >= self._fleet.min_members:
            self._ended.latency_s[request.number] = now_s - request.began_s
            self._ended.complete[request.number] = request.answers == request.members

    def _wake_cold(self, members: Sequence[FleetMember]) -> None:
        for member in members:
            if not member.waking and self._forecasts.is_cold(member.name, self._env.now):
                member.waking = True
                member.pods.wake(partial(self._awake, member))

    def _awake(self, member: FleetMember) -> None:
        member.waking = False
        self._forecasts.runs(member.name, self._env.now)

    def _held(self) -> PodsHeld:
        models = [member.pods for members in self._ensembles for member in members]
        pod_s = self._room.pod_s
        return PodsHeld(
            starts=sum(pods.starts for pods in models),
            most=self._room.most,
            mean=pod_s / self._load.seconds,
            most_waiting=self._room.most_waiting,
            gb_s=pod_s * self._fleet.memory_mb / _MIB_PER_GIB,
            cpu_s=sum(pods.cpu_s for pods in models),
        )


def _share_busy(under_way: float) -> float:
    """How busy a pod is that has so many calls under way on average: as an M/D/1 queue is."""
    return 1.0 + under_way - math.hypot(1.0, under_way)
