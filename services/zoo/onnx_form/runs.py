"""A program run once in a runtime, with every value that it gives: as the runtime's service would run it."""

from collections.abc import Callable, Mapping

import numpy as np
import onnx
import onnxruntime

from services.zoo.onnx_form.agreement import Floats
from services.zoo.runtimes.onnxruntime import session_options
from services.zoo.runtimes.openvino import settings
from services.zoo.runtimes.openvino_package import openvino

Run = Callable[[onnx.ModelProto, Floats], Mapping[str, Floats]]
"""(program, pictures [N, C, H, W]) -> its outputs by name."""


def run_in_onnxruntime(program: onnx.ModelProto, images: Floats) -> dict[str, Floats]:
    """A `Run` on one thread."""
    session = onnxruntime.InferenceSession(
        program.SerializeToString(), session_options(1), providers=["CPUExecutionProvider"]
    )
    names = [each.name for each in session.get_outputs()]
    return dict(zip(names, session.run(None, {session.get_inputs()[0].name: images}), strict=True))


def run_in_openvino(program: onnx.ModelProto, images: Floats) -> dict[str, Floats]:
    """A `Run` on one thread."""
    core = openvino.Core()
    compiled = core.compile_model(core.read_model(program.SerializeToString()), "CPU", settings(1))
    found = compiled.create_infer_request().infer([np.ascontiguousarray(images)])
    return {name: np.array(value) for port, value in found.items() for name in port.names}


RUNS: Mapping[str, Run] = {"onnxruntime": run_in_onnxruntime, "openvino": run_in_openvino}
