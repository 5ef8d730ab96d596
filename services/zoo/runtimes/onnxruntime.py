"""Run a compiled model in ONNX Runtime. Imports no torch."""

import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from services.zoo.runtimes.cpu_flags import cpu_flags

FILE_NAME = "model.onnx"
WEIGHTS_SUFFIX = ".data"
"""Of the file beside a program that holds its large weights: it is mapped, and they are in memory once, not twice."""
LEAST_APART_BYTES = 2**20


def load(folder: Path, threads: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Load the graph that was optimised for this CPU, else `model.onnx`.

    Returns:
        Maps float32 [N, 3, H, W] to [N, K] on `threads` threads.
    """
    options = session_options(threads)
    path = folder / optimised_name()
    if path.exists():
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    else:
        path = folder / FILE_NAME
    session = onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    input_name = session.get_inputs()[0].name

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        scores: NDArray[np.float32] = session.run(None, {input_name: batch})[0]
        return scores

    return forward


def write_optimised(folder: Path) -> None:
    """Keep `model.onnx` as ONNX Runtime optimises it for this CPU, beside it: that loads with half the work, or less.

    Raises:
        OSError: there is no room for it.
    """
    # Imported here: a start pays 9 ms for what this imports.
    from services.edge.disk_room import require_room

    require_room(folder, 2 * (folder / FILE_NAME).stat().st_size)  # its writer does not say
    options = session_options(1)
    options.optimized_model_filepath = str(folder / optimised_name())
    apart = "session.optimized_model_external_initializers"
    options.add_session_config_entry(f"{apart}_file_name", f"{optimised_name()}{WEIGHTS_SUFFIX}")
    options.add_session_config_entry(f"{apart}_min_size_in_bytes", str(LEAST_APART_BYTES))
    onnxruntime.InferenceSession(folder / FILE_NAME, options, providers=["CPUExecutionProvider"])


def optimised_name() -> str:
    """Name the optimised graph after the ONNX Runtime and the CPU it is for: on another machine it is not found."""
    # Not hashlib's: a start pays 4 ms for that import.
    return f"model-{zlib.crc32((onnxruntime.__version__ + cpu_flags()).encode()):08x}.onnx"


def session_options(threads: int) -> onnxruntime.SessionOptions:
    """How a session of so many threads runs."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    # A thread that spins after its part burns the CPU share that the next request needs.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # Without VNNI, sums of uint8 times int8 saturate at 16 bits without a word; so they are exact, and slower. It would
    # make them slower with VNNI too, which has nothing to mend.
    if "vnni" not in cpu_flags():
        options.add_session_config_entry("session.x64quantprecision", "1")
    return options
