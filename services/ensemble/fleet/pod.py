"""One simulated pod: it waits for room, starts, computes one call at a time, and goes."""

from collections import deque
from collections.abc import Callable
from enum import Enum
from typing import Protocol

import simpy


class Work(Protocol):
    """A call to a model.

    Attributes:
        service_s: how long it is computed.
        wanted: somebody waits for it; what is not computed yet is left out where not.
    """

    service_s: float
    wanted: bool

    def answered(self, cold: bool) -> None:
        """Take the answer; `cold` where it was its pod's first."""


class PodState(Enum):
    """What a pod does; `GONE` gets no more calls."""

    WAITING = "for room"
    STARTING = "starting"
    READY = "ready"
    GONE = "gone"


class Keeper(Protocol):
    """The model whose pod it is."""

    def begins(self, pod: "ModelPod") -> None:
        """Note that there is room for it, and say when it has started."""

    def computed(self, work: Work, cold: bool) -> None:
        """Note that a call was computed, by a pod's first answer or a later one."""


class ModelPod:
    """One pod. It computes the calls that it is given one after the other.

    Attributes:
        cold: it has not computed anything yet.
        idle_s: when it last ended something.
    """

    __slots__ = ("_computing", "_env", "_keeper", "_queue", "cold", "idle_s", "state")

    def __init__(self, env: simpy.Environment, keeper: Keeper, state: PodState = PodState.WAITING, cold: bool = True):
        self._env = env
        self._keeper = keeper
        self._queue: deque[Work] = deque()
        self._computing: Work | None = None
        self.state = state
        self.cold = cold
        self.idle_s = env.now

    @property
    def waits(self) -> bool:
        """Whether it wants room that it does not have."""
        return self.state is PodState.WAITING

    @property
    def busy(self) -> bool:
        """Whether it computes."""
        return self._computing is not None

    def enters(self) -> None:
        """Begin to start."""
        self.state = PodState.STARTING
        self._keeper.begins(self)

    def take(self, work: Work) -> None:
        """Compute a call, now or after those before it."""
        if self._computing is None:
            self._compute(work)
        else:
            self._queue.append(work)

    def _compute(self, work: Work) -> None:
        self._computing = work
        after(self._env, work.service_s, self._computed)

    def _computed(self, _: simpy.Event) -> None:
        work = self._computing
        assert work is not None
        self._computing = None
        self.idle_s = self._env.now
        cold, self.cold = self.cold, False
        while self._queue:
            following = self._queue.popleft()
            if following.wanted:
                self._compute(following)
                break
        self._keeper.computed(work, cold)


def after(env: simpy.Environment, delay_s: float, call: Callable[[simpy.Event], None]) -> None:
    """Call after some time, by one event; a process would be several."""
    event = env.timeout(delay_s)
    assert event.callbacks is not None
    event.callbacks.append(call)
