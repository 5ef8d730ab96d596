"""A model that sleeps instead of computing: what remains of a request's latency is what serving adds."""

import math
import random
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from services.zoo.manifest import Manifest


def load(folder: Path, threads: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Sleep `delay_ms` per batch, `straggle_ms` longer in a share of them, and answer zeros [N, K].

    Which batches straggle is the same in every process; those whose mean is above `straggle_above` do, too. `threads`
    is not used.
    """
    del threads
    manifest = Manifest.read(folder)
    delay_s = float(manifest.parameters["delay_ms"]) / 1e3
    straggle_s = float(manifest.parameters.get("straggle_ms", 0)) / 1e3
    straggle_share = float(manifest.parameters.get("straggle_share", 0))
    straggle_above = float(manifest.parameters.get("straggle_above", math.inf))
    chance = random.Random(0)
    classes = manifest.output_shape[1]

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        straggles = chance.random() < straggle_share or batch.mean() > straggle_above
        time.sleep(delay_s + straggle_s * straggles)
        return np.zeros((len(batch), classes), np.float32)

    return forward
