"""A network as ncnn runs it in integers: its text of layers, and its weights as int8 codes, a scale for each channel.

Both are written here, as ncnn's own tools leave them (which its package does not bring): codes of values are symmetric,
127 for the largest magnitude, and a convolution hands on codes where only convolutions of one scale read them.
Source: src/layer/convolution.cpp, convolutiondepthwise.cpp and innerproduct.cpp of github.com/Tencent/ncnn, load_model.
"""

from collections.abc import Sequence
from pathlib import Path

import ncnn
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quant.activation import LEAKY_SLOPE, Activation
from quant.graph import INPUT, Graph, Layer
from quant.operations import (
    Activate,
    Add,
    Concat,
    Conv2d,
    Flatten,
    GlobalAvgPool,
    Linear,
    MaxPool,
    Mul,
    Region,
    Upsample,
    Weighted,
    Yolo,
)
from services.bench.peer_ranges import Ranges

_MAGIC, _INT8 = 7767517, 0x000D4B38
_FUSED = {Activation.NONE: "", Activation.RELU: "9=1", Activation.LEAKY: f"9=2 -23310=1,{LEAKY_SLOPE}"}
_FUSED |= {Activation.RELU6: "9=3 -23310=2,0.0,6.0", Activation.SIGMOID: "9=4"}
_BEHIND = {Activation.RELU: ("ReLU", ""), Activation.LEAKY: ("ReLU", f"0={LEAKY_SLOPE}")}
_BEHIND |= {Activation.SILU: ("Swish", ""), Activation.SIGMOID: ("Sigmoid", "")}
_ADD, _MUL = 0, 2


class NcnnWriter:
    """The network so far: lines of layers, and the bytes of their weights."""

    def __init__(self, graph: Graph, ranges: Ranges) -> None:
        self._graph, self._ranges = graph, ranges
        self._lines: list[str] = []
        self._weights: list[bytes] = []
        self._left: dict[str, list[str]] = {}
        self._blobs = 0

    def write(self, param: Path, weights: Path) -> None:
        """Write both files."""
        self._add("Input", "picture", [], INPUT)
        for layer in self._graph.layers:
            self._layer(layer)
        head = f"{_MAGIC}\n{len(self._lines)} {self._blobs}\n"
        param.write_text(head + "\n".join(self._lines) + "\n")
        weights.write_bytes(b"".join(self._weights))

    def _layer(self, layer: Layer) -> None:
        operation, name = layer.operation, layer.name
        inputs = [self._read(source) for source in layer.inputs]
        match operation:
            case Conv2d() | Linear():
                self._weighted(layer, inputs)
            case Add() if len(inputs) == 2:
                self._activated(name, operation.activation, "BinaryOp", inputs, f"0={_ADD}")
            case Mul():
                self._line("Reshape", f"{name}:factor", inputs[1:], [f"{name}:factor"], "0=1 1=1 2=-1")
                self._add("BinaryOp", name, [inputs[0], f"{name}:factor"], name, f"0={_MUL}")
            case Activate():
                self._activate(name, operation.activation, inputs)
            case MaxPool():
                left, right, top, bottom = operation.padding
                window = f"1={operation.kernel[1]} 11={operation.kernel[0]} 2={operation.stride[1]}"
                around = f"12={operation.stride[0]} 3={left} 14={right} 13={top} 15={bottom} 5=1"
                self._add("Pooling", name, inputs, name, f"0=0 {window} {around}")
            case GlobalAvgPool():
                self._add("Pooling", name, inputs, name, "0=1 4=1")
            case Flatten():
                self._add("Flatten", name, inputs, name)
            case Concat():
                self._add("Concat", name, inputs, name, "0=0")
            case Upsample():
                self._add("Interp", name, inputs, name, f"0=1 1={operation.factor}.0 2={operation.factor}.0")
            case Yolo() | Region():
                self._add("Noop", name, inputs, name)
            case _:
                raise NotImplementedError(f"{type(operation).__name__} in ncnn")

    def _weighted(self, layer: Layer, inputs: list[str]) -> None:
        operation, name = layer.operation, layer.name
        assert isinstance(operation, Conv2d | Linear)
        hands_on = len(inputs) == 1 and operation.activation in _FUSED and self._is_read_by_products(layer)
        term = 101 if hands_on else 1
        channels, count = operation.weight.shape[0], operation.weight.numel()
        if isinstance(operation, Linear):
            kind, parameters = "InnerProduct", f"0={channels} 1=1 2={count} 8={term}"
        else:
            depthwise = operation.groups > 1
            if depthwise and operation.groups != channels:
                raise NotImplementedError("grouped convolutions in ncnn")
            kind = "ConvolutionDepthWise" if depthwise else "Convolution"
            kernel = operation.weight.shape[2:]
            (high, wide), (down, across) = operation.padding, operation.stride
            window = f"1={kernel[1]} 11={kernel[0]} 2={operation.dilation[1]} 12={operation.dilation[0]}"
            strides = f"3={across} 13={down} 4={wide} 14={high} 15={wide} 16={high}"
            groups = f" 7={operation.groups}" if depthwise else ""
            parameters = f"0={channels} {window} {strides} 5=1 6={count}{groups} 8={term}"
        if len(inputs) == 1:
            self._activated(name, operation.activation, kind, inputs, parameters)
        else:
            self._add(kind, f"{name}:product", inputs[:1], f"{name}:product", parameters, readers=[name])
            summed = [self._read(f"{name}:product"), inputs[1]]
            self._activated(name, operation.activation, "BinaryOp", summed, f"0={_ADD}", fuses=False)
        self._store(operation, layer.inputs[0], name if hands_on else None)

    def _store(self, operation: Weighted, source: str, output: str | None) -> None:
        """Codes, bias, the weights' scales, the input's, and the output's where codes are handed on."""
        scale = 127 / operation.weight.flatten(1).abs().amax(1).clamp(min=1e-9)
        factors = scale.view(-1, *[1] * (operation.weight.dim() - 1))
        codes = (operation.weight * factors).round().to(torch.int8).numpy().tobytes()
        self._weights += [np.uint32(_INT8).tobytes(), codes, bytes(-len(codes) % 4)]
        self._weights += [each.numpy().astype(np.float32).tobytes() for each in (operation.bias, scale)]
        self._weights += [np.float32(self._scale(name)).tobytes() for name in (source, output) if name is not None]

    def _is_read_by_products(self, layer: Layer) -> bool:
        """Convolutions alone read it, which code their inputs alike."""
        readers = [self._graph.layer(name) for name in self._graph.consumers[layer.name]]
        alone = all(isinstance(each.operation, Conv2d) and each.inputs[0] == layer.name for each in readers)
        return bool(readers) and alone and layer.name not in self._graph.outputs

    def _scale(self, name: str) -> float:
        return 127 / max(map(abs, (*self._ranges[name], 1e-6)))

    def _activated(
        self, name: str, activation: Activation, kind: str, inputs: list[str], parameters: str, *, fuses: bool = True
    ) -> None:
        """A layer with its activation in it where it takes that, else behind it."""
        if activation is Activation.NONE or (fuses and kind != "BinaryOp" and activation in _FUSED):
            self._add(kind, name, inputs, name, f"{parameters} {_FUSED[activation]}")
            return
        before = f"{name}:before"
        self._add(kind, before, inputs, before, parameters, readers=[name])
        self._activate(name, activation, [self._read(before)])

    def _activate(self, name: str, activation: Activation, inputs: list[str]) -> None:
        if activation not in _BEHIND:
            raise NotImplementedError(f"{activation} in ncnn")
        kind, parameters = _BEHIND[activation]
        self._add(kind, name, inputs, name, parameters)

    def _add(
        self,
        kind: str,
        name: str,
        inputs: list[str],
        output: str,
        parameters: str = "",
        readers: Sequence[str] | None = None,
    ) -> None:
        """A layer of one output; one that several read is split, as ncnn wants it."""
        self._line(kind, name, inputs, [output], parameters)
        if readers is None:
            readers = [each for reader in self._graph.consumers[output] for each in self._reads(reader, output)]
        copies = [output]
        if len(readers) > 1:
            copies = [f"{output}:{number}" for number in range(len(readers))]
            self._line("Split", f"{output}:split", [output], copies, "")
        self._left[output] = copies

    def _reads(self, reader: str, output: str) -> list[str]:
        return [reader] * self._graph.layer(reader).inputs.count(output)

    def _read(self, name: str) -> str:
        return self._left[name].pop(0)

    def _line(self, kind: str, name: str, inputs: Sequence[str], outputs: Sequence[str], parameters: str) -> None:
        self._blobs += len(outputs)
        words = kind, name, str(len(inputs)), str(len(outputs)), *inputs, *outputs, parameters
        self._lines.append(" ".join(words).rstrip())


class NcnnProgram:
    """A written network, loaded, and one picture for it."""

    def __init__(self, param: Path, weights: Path, outputs: Sequence[str], x: Tensor) -> None:
        self._net = ncnn.Net()
        self._net.opt.num_threads = 1
        self._net.opt.use_vulkan_compute = False
        if self._net.load_param(str(param)) or self._net.load_model(str(weights)):
            raise ValueError(f"{param}: ncnn does not take it")
        self._outputs = outputs
        self._x = np.ascontiguousarray(x[0].numpy())
        self._found: list[NDArray[np.float32]] = []

    def run(self) -> None:
        """One forward pass."""
        extractor = self._net.create_extractor()
        extractor.input(INPUT, ncnn.Mat(self._x))
        self._found = [np.array(extractor.extract(name)[1]) for name in self._outputs]

    def outputs(self) -> list[NDArray[np.float32]]:
        """What the last pass gave, without N."""
        return self._found
