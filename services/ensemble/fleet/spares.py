"""Simulated spare pods: each has no model until one that sleeps is called, and answers for it while it starts."""

import simpy

from services.ensemble.fleet.pod import ModelPod, PodState, after
from services.ensemble.fleet.pods import ModelPods

_SAYS_READY_S = 0.05
"""A model that runs says so within this time; then a spare pod is asked."""
REST_S = 30.0
"""The chart's `spare.restS`: a model that was not asked for so long is let go of."""


class Spares:
    """Spare pods, each one model's at a time."""

    def __init__(self, env: simpy.Environment, count: int, load_s: float):
        """Be nobody's; `load_s` is from a call until a spare pod has loaded its model."""
        self._env = env
        self._free = count
        self._wait_s = _SAYS_READY_S + load_s
        self._claimed: dict[ModelPods, ModelPod | None] = {}

    def claim(self, model: ModelPods) -> None:
        """Let a spare pod load a model, where one is free and the model has none yet."""
        if model in self._claimed:
            pod = self._claimed[model]
            if pod is not None:  # it still has the model from the last time
                after(self._env, _SAYS_READY_S, lambda _: model.lend(pod))
            return
        if self._free:
            self._free -= 1
            self._claimed[model] = None
            after(self._env, self._wait_s, lambda _: self._loaded(model))

    def let_go_of_rested(self) -> None:
        """Be nobody's again, where nobody has asked for a while."""
        for model, pod in list(self._claimed.items()):
            if pod is not None and not pod.busy and self._env.now - pod.idle_s >= REST_S:
                model.give_back()
                del self._claimed[model]
                self._free += 1

    def _loaded(self, model: ModelPods) -> None:
        pod = self._claimed[model] = ModelPod(self._env, model, PodState.READY)
        model.lend(pod)
