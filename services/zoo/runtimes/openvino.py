"""Run a compiled model in OpenVINO. Imports no torch."""

import hashlib
import importlib
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import Unsupported
from services.zoo.runtimes.cpu_flags import cpu_flags
from services.zoo.runtimes.openvino_sums import adds_up


def _import_openvino() -> Any:
    """Import OpenVINO without its converter: two thirds of the time, and it reports each import to its makers."""
    converter = "openvino.tools.ovc"
    if "openvino" in sys.modules or converter in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[converter] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[converter]


openvino = _import_openvino()

FILE_NAME = "model.xml"


def load(folder: Path, threads: int) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Load the blob for this CPU, else `model.xml`.

    Returns:
        Maps float32 [N, 3, H, W] to [N, K] on `threads` threads.
    Raises:
        Unsupported: its integers were made for a processor that adds up 8-bit products exactly, and this one does not.
    """
    core = openvino.Core()
    blob = folder / blob_name()
    if blob.exists():
        compiled = core.import_model(blob.read_bytes(), "CPU", settings(threads))
    else:
        model = core.read_model(folder / FILE_NAME)
        if not adds_up(openvino, model, settings(threads)):
            raise Unsupported("this processor adds up its 8-bit products inexactly")
        compiled = core.compile_model(model, "CPU", settings(threads))
    own = threading.local()  # a request is one thread's at a time

    def forward(batch: NDArray[np.float32]) -> NDArray[np.float32]:
        if not hasattr(own, "request"):
            own.request = compiled.create_infer_request()
        # The request's own output buffer is written by the next call.
        scores: NDArray[np.float32] = own.request.infer([batch], share_inputs=True)[0].copy()
        return scores

    return forward


def write_blob(folder: Path) -> None:
    """Keep `model.xml` as OpenVINO transforms it for this CPU, beside it: that loads in a third of the time."""
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(folder / FILE_NAME), "CPU", settings(1))
    (folder / blob_name()).write_bytes(compiled.export_model().getvalue())


def blob_name(cpu_info: Path = Path("/proc/cpuinfo")) -> str:
    """Name the blob after the OpenVINO and the instruction set it is for: on another machine it is not found."""
    digest = hashlib.sha256((openvino.get_version() + cpu_flags(cpu_info)).encode()).hexdigest()
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
