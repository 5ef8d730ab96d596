"""A simulated model's pods, from zero and back, and the calls to them."""

from collections.abc import Callable
from dataclasses import dataclass

import simpy

from services.ensemble.fleet.autoscaler import TICK_S, Autoscaler
from services.ensemble.fleet.pod import ModelPod, PodState, Work, after
from services.ensemble.fleet.room import Room

GOING_S = 30.0
"""A pod on its way out holds its memory for so long: Knative's container in it waits for calls that may still come."""
_FIRST_TO_GO = (PodState.WAITING, PodState.STARTING, PodState.READY)


@dataclass(frozen=True)
class Scale:
    """How a model's pods come and go.

    Attributes:
        start_s: from when there is room for a pod until it answers.
        window_s: the last pod goes after so long without a call, which is also what calls are averaged over.
        target: calls under way that each pod should have.
        least, most: pods.
    """

    start_s: float
    window_s: float = 30.0
    target: float = 2.0
    least: int = 0
    most: int = 16


class ModelPods:
    """One model's pods, and the calls to it.

    Calls go to the ready pods in turns, as Knative's ingress Kourier sends them, and wait for a start where there is
    none.

    Attributes:
        cpu_s: computed, and spent on starts: one CPU's whole time is counted for each, which is the most.
        starts: pods that were begun.
    """

    def __init__(
        self,
        env: simpy.Environment,
        room: Room,
        scale: Scale,
        claim_spare: Callable[["ModelPods"], None] = lambda _: None,
    ):
        """Have no pod yet; `claim_spare` is called where a call waits for a start."""
        self._env = env
        self._room = room
        self._scale = scale
        self._claim_spare = claim_spare
        self._autoscaler = Autoscaler(scale.window_s, scale.target)
        self._pods: list[ModelPod] = []
        self._ready: list[ModelPod] = []
        self._turn = 0
        self._spare: ModelPod | None = None
        self._waiting: list[Work] = []
        self._awaited: list[Callable[[], None]] = []
        self._under_way = 0
        self._asked_s = self._changed_s = env.now
        self._call_s = self._call_s_at_tick = 0.0
        self.cpu_s = 0.0
        self.starts = 0

    @property
    def runs(self) -> bool:
        """Whether a call would be computed without a start."""
        return bool(self._ready)

    @property
    def call_s(self) -> float:
        """The time that calls were under way until now, in sum."""
        return self._call_s + self._under_way * (self._env.now - self._changed_s)

    def begin_with(self, pods: int, rested_s: float) -> None:
        """Have so many pods at once, as far as there is room; the last call was so long ago."""
        self._asked_s = self._env.now - rested_s
        if pods:
            self._autoscaler.remember(pods, rested_s)
        for _ in range(max(pods, self._scale.least)):
            pod = ModelPod(self._env, self, cold=False)
            self._pods.append(pod)
            if self._room.hold(1):
                self._is_ready(pod)
            else:
                self._room.enter(pod)

    def send(self, work: Work) -> None:
        """Have a call computed."""
        self._count(1)
        if self._ready:
            self._deal(work)
            return
        self._waiting.append(work)
        self._start_one()
        self._claim_spare(self)

    def ended(self) -> None:
        """Count a call as over that nobody waits for any longer."""
        self._count(-1)

    def wake(self, awake: Callable[[], None]) -> None:
        """Have a pod start where there is none, and call `awake` when one is ready. Until then that is a call, too."""
        if self._ready:
            awake()
            return
        self._count(1)
        self._awaited.append(awake)
        self._start_one()

    def tick(self) -> None:
        """Have as many pods as the autoscaler wants; to be called every `TICK_S`."""
        if not self._pods:
            return
        now_s, call_s = self._env.now, self.call_s
        under_way = (call_s - self._call_s_at_tick) / TICK_S
        self._call_s_at_tick = call_s
        ready = sum(pod.state is PodState.READY for pod in self._pods)
        wanted = self._autoscaler.wanted(under_way, ready, now_s)
        if not wanted and (self._under_way or now_s - self._asked_s < self._scale.window_s):
            wanted = 1
        self._have(min(max(wanted, self._scale.least), self._scale.most))

    def lend(self, spare: ModelPod) -> None:
        """Let a spare pod answer until a pod of its own is ready; one that is ready already goes before."""
        if not self._ready:
            self._spare = spare
            self._opens(spare)

    def give_back(self) -> None:
        """Be without the spare pod."""
        if self._spare is not None:
            self._ready.remove(self._spare)
            self._spare = None

    def begins(self, pod: ModelPod) -> None:
        """Start a pod for which there is room."""
        self.starts += 1
        self.cpu_s += self._scale.start_s
        after(self._env, self._scale.start_s, lambda _: self._started(pod))

    def computed(self, work: Work, cold: bool) -> None:
        """Answer a call, where somebody still waits for it."""
        self.cpu_s += work.service_s
        if work.wanted:
            self._count(-1)
            work.answered(cold)

    def _started(self, pod: ModelPod) -> None:
        if pod.state is PodState.STARTING:
            self._is_ready(pod)

    def _is_ready(self, pod: ModelPod) -> None:
        pod.state = PodState.READY
        self.give_back()
        self._opens(pod)

    def _opens(self, pod: ModelPod) -> None:
        self._ready.append(pod)
        waiting, self._waiting = self._waiting, []
        for work in waiting:
            if work.wanted:
                self._deal(work)
        awaited, self._awaited = self._awaited, []
        for awake in awaited:
            self._count(-1)
            awake()

    def _deal(self, work: Work) -> None:
        self._turn = (self._turn + 1) % len(self._ready)
        self._ready[self._turn].take(work)

    def _start_one(self) -> None:
        if not self._pods:
            # Averages begin anew: they are those of the part of a window that it was there.
            self._autoscaler.forget()
            self._call_s_at_tick = self.call_s
            self._have(1)

    def _have(self, pods: int) -> None:
        while len(self._pods) < pods:
            pod = ModelPod(self._env, self)
            self._pods.append(pod)
            self._room.enter(pod)
        while len(self._pods) > pods:
            pod = min(reversed(self._pods), key=lambda each: _FIRST_TO_GO.index(each.state))
            self._pods.remove(pod)
            self._let_go(pod)

    def _let_go(self, pod: ModelPod) -> None:
        was, pod.state = pod.state, PodState.GONE
        if was is PodState.STARTING:
            self._room.leave()
        if was is PodState.READY:
            self._ready.remove(pod)
            after(self._env, GOING_S, lambda _: self._room.leave())

    def _count(self, more: int) -> None:
        now_s = self._env.now
        self._call_s += self._under_way * (now_s - self._changed_s)
        self._changed_s = now_s
        self._under_way += more
        if more > 0:
            self._asked_s = now_s
