"""Run a compiled model in OpenVINO. Imports no torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openvino
from numpy.typing import NDArray

FILE_NAME = "model.xml"


def load(folder: Path, threads: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Load `model.xml`; the function maps float32 [N, 3, H, W] to [N, K] on `threads` threads."""
    settings = {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # On CPUs with AMX its default is bfloat16, whose scores are not the model's.
        "INFERENCE_PRECISION_HINT": "f32",
    }
    core = openvino.Core()
    request = core.compile_model(core.read_model(folder / FILE_NAME), "CPU", settings).create_infer_request()

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        # The request's own output buffer is written by the next call.
        scores: NDArray[np.float32] = request.infer([batch], share_inputs=True)[0].copy()
        return scores

    return forward
