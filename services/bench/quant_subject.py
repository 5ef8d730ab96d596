"""One model made ready for measuring: its graph, scales and engines, and the same network in the peers' engines."""

import logging
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from torch import Tensor, nn

from quant.calibration import calibrate
from quant.engine import Engine
from quant.graph import INPUT, Graph
from quant.observations import observe
from quant.operations import Region, Yolo
from quant.plan_choice import PlanChoice
from quant.precision import Mode
from services.workbench.model import Model
from services.workbench.opening import open_model
from services.workbench.pictures import as_input
from services.workbench.usecases import Integers, choose_auto, engine_of
from services.zoo.catalog import default_catalog
from services.zoo.writers import quiet, write_onnx

Run: TypeAlias = Callable[[], object]

DARKNET = ("yolov2", "yolov2-tiny", "yolov3", "yolov3-tiny", "yolov3-spp", "yolov4-tiny", "darknet19")
TORCH = ("resnet-18", "resnet-50", "vgg-16", "mobilenet-v2", "efficientnet-b0", "nasnet-a-mobile", "alexnet")
_CALIBRATION_PICTURES = 8


@dataclass(frozen=True, eq=False)
class Subject:
    """A model with random weights, calibrated on pictures of shapes on textures; `x` is another such picture."""

    model: Model
    integers: Integers
    inputs: list[Tensor]
    x: Tensor

    def engine(self, mode: Mode) -> Engine:
        """The model ready to run in a mode."""
        return engine_of(self.model, mode, self.integers)


def prepare(name: str, size: int | None = None) -> Subject:
    """Open a model by name and calibrate it, best algorithm per value and layer; weights per channel."""
    model = open_model(name, default_catalog(os.environ), "random://0", size if name in DARKNET else None)
    inputs = [as_input(model, _picture(seed)) for seed in range(_CALIBRATION_PICTURES + 1)]
    found = calibrate(model.graph.layers, observe(model.graph, inputs[1:]))
    return Subject(model, Integers(found.calibration), inputs[1:], inputs[0])


def with_auto(subject: Subject) -> tuple[Subject, PlanChoice]:
    """Choose the plan of `auto` by measuring on this machine."""
    choice = choose_auto(subject.model, subject.integers.calibration, subject.inputs, time.perf_counter)
    return Subject(
        subject.model, Integers(subject.integers.calibration, choice.plan), subject.inputs, subject.x
    ), choice


def _picture(seed: int) -> Tensor:
    from examples.detector.scenes import draw_scene

    return torch.from_numpy(draw_scene(seed)[0]).permute(2, 0, 1).contiguous()


class Eager(nn.Module):
    """A graph as torch runs it, layer by layer: the eager peer, and what the other peers are exported from.

    The detection heads' last step is left out for those: no engine quantises it, and all of ours run it in float.
    """

    def __init__(self, graph: Graph, heads: bool = True):
        super().__init__()
        self._graph = graph
        self._heads = heads

    def forward(self, x: Tensor) -> tuple[Tensor, ...] | Tensor:
        values = {INPUT: x}
        for layer in self._graph.layers:
            inputs = [values[name] for name in layer.inputs]
            headless = not self._heads and isinstance(layer.operation, Yolo | Region)
            values[layer.name] = inputs[0] if headless else layer.operation.run(*inputs)
        outputs = tuple(values[name] for name in self._graph.outputs)
        return outputs if len(outputs) > 1 else outputs[0]


def eager(subject: Subject) -> Run:
    """torch eager, channels last: torchvision's own module where there is one, else the graph's layers."""
    x = subject.x.contiguous(memory_format=torch.channels_last)
    module: nn.Module = Eager(subject.model.graph)
    return partial(_inference, module, x)


def _inference(module: nn.Module, x: Tensor) -> object:
    with torch.inference_mode():
        return module(x)


def peers(subject: Subject, tell: Callable[[str], None]) -> dict[str, Run]:
    """ONNX Runtime's static int8 (QDQ, per channel) and OpenVINO's with NNCF, on one thread; one that fails is told."""
    ready: dict[str, Run] = {}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        write_onnx(Eager(subject.model.graph, heads=False).eval(), torch.cat([subject.x] * 2).numpy(), path)
        makers: Mapping[str, Callable[[Subject, Path], Run]] = {"onnxruntime": _onnxruntime, "openvino": _openvino}
        for name, make in makers.items():
            try:
                with quiet():
                    ready[name] = make(subject, path)
            except Exception as error:
                # Whatever a peer cannot do is its own, and leaves the other figures as they are.
                tell(f"{subject.model.name}: no {name} int8: {type(error).__name__}: {str(error)[:200]}")
    return ready


def _onnxruntime(subject: Subject, path: Path) -> Run:
    import onnxruntime
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Pictures(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(subject.inputs)

        def get_next(self) -> dict[str, Any] | None:
            x = next(self._left, None)
            return None if x is None else {"image": x.numpy()}

    logging.disable(logging.WARNING)
    prepared, quantised = path.with_suffix(".prepared.onnx"), path.with_suffix(".int8.onnx")
    quant_pre_process(str(path), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(prepared),
        str(quantised),
        Pictures(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(quantised), options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {"image": subject.x.numpy()})


def _openvino(subject: Subject, path: Path) -> Run:
    import nncf
    import openvino

    model = openvino.Core().read_model(path)
    model.reshape(list(subject.x.shape))
    quantised = nncf.quantize(model, nncf.Dataset([x.numpy() for x in subject.inputs]))
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(quantised, "CPU", settings).create_infer_request()
    return partial(request.infer, [np.ascontiguousarray(subject.x.numpy())], share_inputs=True)
