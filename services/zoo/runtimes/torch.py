"""Run an exported program in torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

FILE_NAME = "model.pt2"


def load(folder: Path, threads: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Load `model.pt2`; the function maps float32 [N, 3, H, W] to [N, K] on `threads` threads."""
    torch.set_num_threads(threads)
    module = torch.export.load(folder / FILE_NAME).module()

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        with torch.inference_mode():
            scores: NDArray[np.float32] = module(torch.from_numpy(np.require(batch, requirements="W"))).numpy()
        return scores

    return forward
