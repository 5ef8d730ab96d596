"""How many pods a model should have, as Knative's autoscaler decides it: by the calls that were under way lately.

Source: https://knative.dev/docs/serving/autoscaling/kpa-specific, and pkg/autoscaler/scaling/autoscaler.go of Knative
Serving for what lies between its settings.
"""

import math
from collections import deque
from statistics import fmean

TICK_S = 2.0
_PANIC_SHARE = 0.1
"""Of the window: where these last calls want many more pods than there are, the model gets them at once."""
_PANIC_TIMES = 2.0
_UP_TIMES = 1000.0
_DOWN_TIMES = 2.0
"""A tick's most: from one number of pods to so many times as many, and to so small a part of them."""


class Autoscaler:
    """Decides for one model, from what each tick has seen."""

    def __init__(self, window_s: float, target: float):
        """Have seen nothing yet.

        Args:
            window_s: over which calls are averaged.
            target: calls under way that each pod should have.
        """
        ticks = max(1, round(window_s / TICK_S))
        self._window_s = window_s
        self._target = target
        self._seen: deque[float] = deque(maxlen=ticks)
        self._panic_ticks = max(1, round(_PANIC_SHARE * ticks))
        self._panic_since_s: float | None = None
        self._most_in_panic = 0

    def remember(self, pods: int, rested_s: float) -> None:
        """Have wanted so many pods for a window, until the last call came so long ago."""
        ticks = self._seen.maxlen or 0
        rested = min(ticks, int(rested_s / TICK_S))
        self._seen.extend([self._target * (pods - 0.5)] * (ticks - rested) + [0.0] * rested)

    def forget(self) -> None:
        """Begin anew: averages over part of a window are those of the part, once a model has been away."""
        self._seen.clear()
        self._panic_since_s, self._most_in_panic = None, 0

    def wanted(self, under_way: float, ready: int, now_s: float) -> int:
        """Say how many pods there should be.

        Args:
            under_way: calls, on average since the tick before.
            ready: pods that answer now.
        """
        self._seen.append(under_way)
        here = max(1, ready)
        at_least, at_most = math.floor(here / _DOWN_TIMES), math.ceil(here * _UP_TIMES)
        lately = math.ceil(fmean(list(self._seen)[-self._panic_ticks :]) / self._target)
        wanted, at_once = (
            min(max(pods, at_least), at_most) for pods in (math.ceil(fmean(self._seen) / self._target), lately)
        )
        if lately / here >= _PANIC_TIMES:
            self._panic_since_s = now_s
        elif self._panic_since_s is not None and now_s - self._panic_since_s > self._window_s:
            self._panic_since_s, self._most_in_panic = None, 0
        if self._panic_since_s is None:
            return wanted
        self._most_in_panic = max(self._most_in_panic, wanted, at_once)
        return self._most_in_panic
