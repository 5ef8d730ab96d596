"""Run a compiled model in OpenVINO. Imports no torch."""

import hashlib
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import Unsupported
from services.zoo.runtimes.cpu_flags import cpu_flags
from services.zoo.runtimes.openvino_binding import binding
from services.zoo.runtimes.openvino_sums import adds_up

FILE_NAME = "model.xml"


@dataclass(frozen=True, eq=False)
class _Program:
    """An `openvino.CompiledModel`, and the map of a file that its weights lie in, which it does not hold itself."""

    compiled: Any
    mapped: NDArray[np.uint8] | None = None


def load(folder: Path, threads: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Load the blob for this CPU, else `model.xml`.

    Returns:
        Maps float32 [N, 3, H, W] to [N, K] on `threads` threads.
    Raises:
        Unsupported: its integers were made for a processor that adds up 8-bit products exactly, and this one does not.
    """
    program = _load(folder, threads)
    own = threading.local()  # a request is one thread's at a time

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if not hasattr(own, "request"):
            own.request = program.compiled.create_infer_request()
        # Only a tensor that it could write to is taken as it is.
        images = binding.Tensor(np.require(batch, np.float32, ("C", "W")), shared_memory=True)
        [scores] = own.request.infer({0: images}, share_outputs=False, decode_strings=False).values()
        return np.asarray(scores, np.float32)

    return forward


def _load(folder: Path, threads: int) -> _Program:
    core = binding.Core()
    blob = folder / blob_name()
    if blob.exists():
        # Mapped, its weights are in memory once; a map that could not be written to would be copied.
        mapped = np.memmap(blob, np.uint8, "c")
        content = binding.Tensor(mapped, shared_memory=True)
        return _Program(core.import_model(content, "CPU", settings(threads)), mapped)
    model = core.read_model(folder / FILE_NAME)
    if not adds_up(model, settings(threads)):
        raise Unsupported("this processor adds up its 8-bit products inexactly")
    return _Program(core.compile_model(model, "CPU", settings(threads)))


def write_blob(folder: Path) -> None:
    """Keep `model.xml` as OpenVINO transforms it for this CPU, beside it: that loads in a third of the time."""
    core = binding.Core()
    compiled = core.compile_model(core.read_model(folder / FILE_NAME), "CPU", settings(1))
    (folder / blob_name()).write_bytes(compiled.export_model().getvalue())


def blob_name(cpu_info: Path = Path("/proc/cpuinfo")) -> str:
    """Name the blob after the OpenVINO and the instruction set it is for: on another machine it is not found."""
    digest = hashlib.sha256((binding.get_version() + cpu_flags(cpu_info)).encode()).hexdigest()
    return f"model-{digest[:12]}.blob"


def settings(threads: int) -> dict[str, object]:
    """How a model of so many threads runs."""
    return {
        "INFERENCE_NUM_THREADS": threads,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        # On CPUs with AMX its default is bfloat16, whose scores are not the model's.
        "INFERENCE_PRECISION_HINT": "f32",
    }
