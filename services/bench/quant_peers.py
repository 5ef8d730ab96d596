"""The same network in the engines that int8 is compared with, one thread each.

Torch eager, ONNX Runtime, OpenVINO; and, for what is served, LiteRT and ncnn.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from quant.cpu import this_cpu
from quant.graph import INPUT, Graph, Layer
from quant.operations import Region, Weighted, Yolo
from quant.statistics import cosine
from services.bench.peer_ranges import ranges_of
from services.bench.quant_subject import Subject
from services.edge.progress import Progress
from services.zoo.quiet import quiet
from services.zoo.writers import export, write_onnx

Run: TypeAlias = Callable[[], object]

LEAST_COSINE = 0.9
"""Of a peer's int8 outputs with float's; with random weights int8 strays further than with trained ones."""


class Eager(nn.Module):
    """A graph as torch runs it, layer by layer: the eager peer, and what the other peers are exported from.

    Args:
        heads: False leaves out the last step of detection layers: no engine quantises it, and ours run it in float.
    """

    def __init__(self, graph: Graph, *, heads: bool = True) -> None:
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
    """torch eager, weights and input channels last, batch norms folded: faster than the module that a user has."""
    graph = subject.model.graph
    module = Eager(replace(graph, layers=tuple(map(_channels_last, graph.layers))))
    x = subject.x.contiguous(memory_format=torch.channels_last)

    def run() -> object:
        with torch.inference_mode():
            return module(x)

    return run


def _channels_last(layer: Layer) -> Layer:
    operation = layer.operation
    if not isinstance(operation, Weighted) or operation.weight.dim() != 4:
        return layer
    weight = operation.weight.contiguous(memory_format=torch.channels_last)
    return replace(layer, operation=replace(operation, weight=weight))


def peers(subject: Subject, cache: Path, progress: Progress) -> dict[str, Run]:
    """ONNX Runtime's static int8 (QDQ, per channel) and OpenVINO's with NNCF; one that fails is reported.

    Args:
        cache: a folder in which the quantised networks are kept for the next time, by version of what made them.
    """
    return _made({"onnxruntime": _onnxruntime, "openvino": _openvino}, subject, cache, progress)


def more_peers(subject: Subject, cache: Path, progress: Progress) -> dict[str, Run]:
    """LiteRT's int8 (XNNPACK) and ncnn's, from the same ranges; takes and reports what `peers` does."""
    return _made({"litert": _litert, "ncnn": _ncnn}, subject, cache, progress)


def _made(
    makers: Mapping[str, Callable[[Subject, Path], Run]], subject: Subject, cache: Path, progress: Progress
) -> dict[str, Run]:
    ready: dict[str, Run] = {}
    for name, make in makers.items():
        try:
            with quiet():
                ready[name] = make(subject, cache)
        except Exception as error:
            # Whatever a peer cannot do is its own, and leaves the other figures as they are.
            progress(f"{subject.model.name}: no {name} int8: {type(error).__name__}: {str(error)[:200]}")
    return ready


def _onnx(subject: Subject, cache: Path) -> Path:
    path = cache / f"{_stem(subject, 'torch')}.onnx"
    if not path.is_file():
        module = Eager(subject.model.graph, heads=False).eval()
        write_onnx(export(module, torch.cat([subject.x] * 2).numpy()), path)
    return path


def _onnxruntime(subject: Subject, cache: Path) -> Run:
    import onnxruntime

    cpu = this_cpu()
    path = cache / f"{_stem(subject, 'onnxruntime')}.weights{cpu.weight_bits}.onnx"
    if not path.is_file():
        _quantise_onnx(subject, _onnx(subject, cache), path, narrow_weights=not cpu.exact_8_bit)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return partial(session.run, None, {"image": subject.x.numpy()})


def _quantise_onnx(subject: Subject, source: Path, path: Path, *, narrow_weights: bool) -> None:
    """Quantise as ONNX Runtime's documentation says to.

    Args:
        narrow_weights: of 7 bits, for processors without VNNI, whose sums with 8-bit weights saturate.
    """
    from onnxruntime import quantization
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class CalibrationPictures(quantization.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self._left = iter(subject.calibration_inputs)

        def get_next(self) -> dict[str, Any] | None:
            x = next(self._left, None)
            return None if x is None else {"image": x.numpy()}

    logging.disable(logging.WARNING)
    prepared = path.with_suffix(".prepared")
    quant_pre_process(str(source), str(prepared), skip_symbolic_shape=True)
    quantization.quantize_static(
        str(prepared),
        str(path),
        CalibrationPictures(),
        quant_format=quantization.QuantFormat.QDQ,
        per_channel=True,
        activation_type=quantization.QuantType.QUInt8,
        weight_type=quantization.QuantType.QInt8,
        reduce_range=narrow_weights,
    )
    prepared.unlink()


def _openvino(subject: Subject, cache: Path) -> Run:
    import openvino

    path = cache / f"{_stem(subject, 'openvino', 'nncf')}.int8.xml"
    if not path.is_file():
        import nncf

        model = openvino.Core().read_model(_onnx(subject, cache))
        model.reshape(list(subject.x.shape))
        dataset = nncf.Dataset([x.numpy() for x in subject.calibration_inputs])
        openvino.save_model(nncf.quantize(model, dataset), path, compress_to_fp16=False)
    settings = {"INFERENCE_NUM_THREADS": 1, "NUM_STREAMS": 1, "PERFORMANCE_HINT": "LATENCY"}
    request = openvino.Core().compile_model(path, "CPU", settings).create_infer_request()
    return partial(request.infer, [np.ascontiguousarray(subject.x.numpy())], share_inputs=True)


def _litert(subject: Subject, cache: Path) -> Run:
    from services.bench.quant_litert import LiteRtForm, LiteRtProgram

    path = cache / f"{_stem(subject, 'ai-edge-litert')}.int8.tflite"
    if not path.is_file():
        graph = subject.model.graph
        path.write_bytes(LiteRtForm(graph, ranges_of(graph, subject.calibration_inputs)).content())
    program = LiteRtProgram(path.read_bytes(), subject.x)
    program.run()
    check_alike("LiteRT", subject, program.outputs())
    return program.run


def _ncnn(subject: Subject, cache: Path) -> Run:
    from services.bench.quant_ncnn import NcnnProgram, NcnnWriter

    graph, param = subject.model.graph, cache / f"{_stem(subject, 'ncnn')}.int8.param"
    weights = param.with_suffix(".bin")
    if not (param.is_file() and weights.is_file()):
        NcnnWriter(graph, ranges_of(graph, subject.calibration_inputs)).write(param, weights)
    program = NcnnProgram(param, weights, graph.outputs, subject.x)
    program.run()
    check_alike("ncnn", subject, program.outputs())
    return program.run


def check_alike(peer: str, subject: Subject, found: Sequence[NDArray[np.float32]]) -> None:
    """Hold what a peer that we wrote a program for computes against float: another network would not do.

    Raises:
        ValueError: an output is not float's, by the cosine.
    """
    heads = Eager(subject.model.graph, heads=False)(subject.x)
    for wanted, value in zip(heads if isinstance(heads, tuple) else (heads,), found, strict=True):
        alike = cosine(wanted.flatten(), torch.from_numpy(value).flatten())
        if alike < LEAST_COSINE:
            raise ValueError(f"{peer} computes another network: its output's cosine with float's is {alike:.3f}")


def _stem(subject: Subject, *packages: str) -> str:
    """A file name that changes with the model, its size and the packages that make the file."""
    made_by = "-".join(f"{package}-{version(package)}" for package in packages)
    return f"{subject.model.name}-{subject.model.digest[:12]}-{made_by}"
