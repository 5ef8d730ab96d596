"""Whether a model answers pictures sooner together than one by one: measured, as it differs from network to network."""

import time
from collections.abc import Callable
from statistics import median

import numpy as np

from services.zoo.agreement import Forward, Images
from services.zoo.manifest import Batching
from services.zoo.model_file import BatchingDeclaration

_TOGETHER = Batching(largest=8, wait_ms=2.0)
_LEAST_GAIN = 1.15
"""Pictures a second together over one by one; below it, who waits for others waits for little."""
_ROUNDS = 5


def choose_batching(
    declared: BatchingDeclaration | str,
    forward: Forward | None,
    image: Images,
    clock: Callable[[], float] = time.process_time,
) -> Batching:
    """Say how a model's requests run together: as declared, or, where that is `auto`, as it gains by it.

    Args:
        forward: the model's, on one thread; None where it computes nothing that could be measured.
        image: [1, 3, H, W].
        clock: the CPU time of this process, by default: on a machine that is busy otherwise wall time says little.
    """
    if isinstance(declared, BatchingDeclaration):
        return Batching(declared.largest, declared.wait_ms)
    if declared == "off" or forward is None:
        return Batching()
    count = _TOGETHER.largest
    images = np.repeat(image, count, axis=0)
    saved_s = []
    for _ in range(_ROUNDS):  # in turns: caches that others fill are filled for both
        alone_s = count * _takes_s(lambda: forward(image), clock)
        saved_s.append(alone_s - _LEAST_GAIN * _takes_s(lambda: forward(images), clock))
    return _TOGETHER if median(saved_s) >= 0 else Batching()


def _takes_s(compute: Callable[[], object], clock: Callable[[], float]) -> float:
    began_s = clock()
    compute()
    return clock() - began_s
