"""Run a compiled model in ONNX Runtime. Imports no torch."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

FILE_NAME = "model.onnx"


def load(folder: Path, threads: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Load `model.onnx`; the function maps float32 [N, 3, H, W] to [N, K] on `threads` threads."""
    session = onnxruntime.InferenceSession(
        folder / FILE_NAME, session_options(threads), providers=["CPUExecutionProvider"]
    )
    input_name = session.get_inputs()[0].name

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = session.run(None, {input_name: batch})[0]
        return scores

    return forward


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """How a session of so many threads runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A thread that spins after its part burns the CPU share that the next request needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without VNNI, sums of uint8 times int8 saturate at 16 bits without a word; so they are exact, and slower.
    options.add_session_config_entry("session.x64quantprecision", "1")
    return options
