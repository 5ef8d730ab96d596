"""A network as LiteRT runs it in integers (XNNPACK): a .tflite program of int8, weights per channel.

The program is written here, operator by operator as LiteRT's own quantiser leaves them: its converter wants two dozen
packages, and this needs the runtime alone. What is written is held to float's outputs before it is timed.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from ai_edge_litert import schema_py_generated as schema
from ai_edge_litert.interpreter import Interpreter
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
    Yolo,
)
from services.bench.litert_writer import CODES, KIND, OP, LiteRtWriter
from services.bench.peer_ranges import Ranges

_FUSED = {
    Activation.NONE: schema.ActivationFunctionType.NONE,
    Activation.RELU: schema.ActivationFunctionType.RELU,
    Activation.RELU6: schema.ActivationFunctionType.RELU6,
}


class LiteRtForm:
    """One network; its values are int8 codes, their axes [1, H, W, C]."""

    def __init__(self, graph: Graph, ranges: Ranges) -> None:
        self._graph, self._ranges = graph, ranges
        self._write = LiteRtWriter()

    def content(self) -> bytes:
        """The whole program."""
        _, height, width = self._graph.input_shape
        self._value(INPUT, (1, height, width, 3), INPUT)
        for layer in self._graph.layers:
            self._layer(layer)
        return self._write.content([INPUT], self._graph.outputs)

    def _layer(self, layer: Layer) -> None:
        operation, name, sources = layer.operation, layer.name, layer.inputs
        shape = self._shape(name)
        match operation:
            case Conv2d() | Linear():
                self._weighted(layer, shape)
            case Add():
                self._activated(name, operation.activation, shape, lambda out, fused: self._add(sources, out, fused))
            case Mul():
                self._write.node(
                    OP.MUL, sources, self._value(name, shape, name), "MulOptions", fusedActivationFunction=0
                )
            case Activate():
                self._activate(name, operation.activation, sources[0], shape)
            case MaxPool():
                self._pool(name, operation, sources[0], shape)
            case GlobalAvgPool():
                axes = self._write.constant(f"{name}:axes", np.array([1, 2], np.int32))
                self._write.node(
                    OP.MEAN, (sources[0], axes), self._value(name, shape, name), "ReducerOptions", keepDims=True
                )
            case Flatten() if len(self._graph.shapes[sources[0]]) == 1 or self._graph.shapes[sources[0]][1:] == (1, 1):
                self._same(name, sources[0], shape)
                sizes = self._write.constant(f"{name}:sizes", np.array(shape, np.int32))
                self._write.node(OP.RESHAPE, (sources[0], sizes), name, "ReshapeOptions", newShape=list(shape))
            case Concat():
                out = self._value(name, shape, name)
                self._write.node(
                    OP.CONCATENATION, sources, out, "ConcatenationOptions", axis=3, fusedActivationFunction=0
                )
            case Upsample():
                self._same(name, sources[0], shape)
                size = self._write.constant(f"{name}:size", np.array(shape[1:3], np.int32))
                kind = "ResizeNearestNeighborOptions"
                self._write.node(OP.RESIZE_NEAREST_NEIGHBOR, (sources[0], size), name, kind, alignCorners=False)
            case Yolo() | Region():
                self._write.name_also(name, sources[0])
            case _:
                raise NotImplementedError(f"{type(operation).__name__} in LiteRT")

    def _weighted(self, layer: Layer, shape: tuple[int, ...]) -> None:
        name, operation, residual = layer.name, layer.operation, layer.inputs[1:]
        assert isinstance(operation, Conv2d | Linear)

        def product(out: str, fused: int) -> None:
            if isinstance(operation, Linear):
                self._linear(name, operation, layer.inputs[0], out, fused)
            else:
                self._convolution(name, operation, layer.inputs[0], out, fused)

        if not residual:
            self._activated(name, operation.activation, shape, product)
            return
        product(self._value(f"{name}:product", shape, f"{name}:product"), 0)
        sources = f"{name}:product", residual[0]
        self._activated(name, operation.activation, shape, lambda out, fused: self._add(sources, out, fused))

    def _activated(self, name: str, activation: Activation, shape: tuple[int, ...], make: Any) -> None:
        """What an operation makes, with the activation in it where it takes that, else behind it."""
        if activation in _FUSED:
            make(self._value(name, shape, name), _FUSED[activation])
            return
        make(self._value(f"{name}:before", shape, f"{name}:sum" if f"{name}:sum" in self._ranges else name), 0)
        self._activate(name, activation, f"{name}:before", shape)

    def _activate(self, name: str, activation: Activation, source: str, shape: tuple[int, ...]) -> None:
        match activation:
            case Activation.LEAKY:
                out = self._value(name, shape, name)
                self._write.node(OP.LEAKY_RELU, (source,), out, "LeakyReluOptions", alpha=LEAKY_SLOPE)
            case Activation.SIGMOID:
                self._write.node(OP.LOGISTIC, (source,), self._share(name, shape))
            case Activation.SILU:
                self._write.node(OP.LOGISTIC, (source,), self._share(f"{name}:gate", shape))
                out = self._value(name, shape, name)
                self._write.node(OP.MUL, (source, f"{name}:gate"), out, "MulOptions", fusedActivationFunction=0)
            case Activation.RELU | Activation.RELU6:
                kind = OP.RELU if activation is Activation.RELU else OP.RELU6
                self._write.node(kind, (source,), self._value(name, shape, name))
            case _:
                raise NotImplementedError(f"{activation} in LiteRT")

    def _convolution(self, name: str, conv: Conv2d, source: str, out: str, fused: int) -> None:
        source = self._padded(name, conv, source)
        depthwise = conv.groups > 1
        if depthwise and not conv.groups == conv.weight.shape[0] == self._write.shape_of(source)[3]:
            raise NotImplementedError("grouped convolutions in LiteRT")
        order = (1, 2, 3, 0) if depthwise else (0, 2, 3, 1)
        weights = self._write.weights(name, conv.weight, order, 3 if depthwise else 0)
        inputs = source, weights, self._write.bias(name, conv.bias, source, weights)
        same = _is_same(conv, self._write.shape_of(source))
        window = {
            "padding": schema.Padding.SAME if same else schema.Padding.VALID,
            "strideH": conv.stride[0],
            "strideW": conv.stride[1],
            "dilationHFactor": conv.dilation[0],
            "dilationWFactor": conv.dilation[1],
            "fusedActivationFunction": fused,
        }
        if depthwise:
            self._write.node(OP.DEPTHWISE_CONV_2D, inputs, out, "DepthwiseConv2DOptions", depthMultiplier=1, **window)
        else:
            self._write.node(OP.CONV_2D, inputs, out, "Conv2DOptions", **window)

    def _linear(self, name: str, linear: Linear, source: str, out: str, fused: int) -> None:
        weights = self._write.weights(name, linear.weight, (0, 1), 0)
        inputs = source, weights, self._write.bias(name, linear.bias, source, weights)
        self._write.node(OP.FULLY_CONNECTED, inputs, out, "FullyConnectedOptions", fusedActivationFunction=fused)

    def _padded(self, name: str, conv: Conv2d, source: str) -> str:
        """Zeros around the value, where they are not those that the convolution itself puts there."""
        if not any(conv.padding) or _is_same(conv, self._write.shape_of(source)):
            return source
        (high, wide), shape = conv.padding, self._write.shape_of(source)
        return self._pad(name, source, (shape[0], shape[1] + 2 * high, shape[2] + 2 * wide, shape[3]), conv.padding)

    def _pad(self, name: str, source: str, shape: tuple[int, ...], padding: tuple[int, int]) -> str:
        out = f"{name}:padded"
        self._same(out, source, shape)
        around = np.array([[0, 0], [padding[0]] * 2, [padding[1]] * 2, [0, 0]], np.int32)
        self._write.node(OP.PAD, (source, self._write.constant(f"{name}:pads", around)), out, "PadOptions")
        return out

    def _pool(self, name: str, pool: MaxPool, source: str, shape: tuple[int, ...]) -> None:
        left, right, top, bottom = pool.padding
        if (left, top) == (right, bottom) != (0, 0):
            if self._ranges[source][0] < 0:
                raise NotImplementedError("zeros around a pooled value that falls below them, in LiteRT")
            before = self._write.shape_of(source)
            wide = before[0], before[1] + 2 * top, before[2] + 2 * left, before[3]
            source = self._pad(name, source, wide, (top, left))
        padding = schema.Padding.SAME if (left, top) != (right, bottom) else schema.Padding.VALID
        window = {"filterHeight": pool.kernel[0], "filterWidth": pool.kernel[1]}
        strides = {"strideH": pool.stride[0], "strideW": pool.stride[1], "fusedActivationFunction": 0}
        self._same(name, source, shape)
        self._write.node(OP.MAX_POOL_2D, (source,), name, "Pool2DOptions", padding=padding, **window, **strides)

    def _add(self, sources: Sequence[str], out: str, fused: int) -> None:
        self._write.node(OP.ADD, sources, out, "AddOptions", fusedActivationFunction=fused)

    def _shape(self, name: str) -> tuple[int, ...]:
        return _last_channels(self._graph.shapes[name])

    def _value(self, name: str, shape: tuple[int, ...], ranged: str) -> str:
        """A value with the scale of what it spans."""
        low, high = self._ranges[ranged]
        scale = max(high - low, 1e-6) / 255
        return self._write.tensor(name, shape, KIND.INT8, (scale, round(-low / scale) - 128))

    def _share(self, name: str, shape: tuple[int, ...]) -> str:
        """A value of 0 to 1, with the one scale that LiteRT's logistic has."""
        return self._write.tensor(name, shape, KIND.INT8, (1 / 256, -128))

    def _same(self, name: str, source: str, shape: tuple[int, ...]) -> None:
        """A value with the scale of another."""
        self._write.tensor(name, shape, KIND.INT8, self._write.scales[source])


def _is_same(conv: Conv2d, shape: tuple[int, ...]) -> bool:
    """Does LiteRT's own padding, SAME, put the same zeros around a value [1, H, W, C] as this convolution?"""
    for axis in (0, 1):
        size, stride, window = shape[axis + 1], conv.stride[axis], conv.window[axis]
        total = max((-(-size // stride) - 1) * stride + window - size, 0)
        if total // 2 != conv.padding[axis] or total - total // 2 != conv.padding[axis]:
            return False
    return any(conv.padding)


def _last_channels(shape: tuple[int, ...]) -> tuple[int, ...]:
    return (1, *shape[1:], shape[0])


class LiteRtProgram:
    """A written program, loaded, with one picture's codes in it."""

    def __init__(self, content: bytes, x: Tensor) -> None:
        self._interpreter = Interpreter(model_content=content, num_threads=1)
        self._interpreter.allocate_tensors()
        (taken,) = self._interpreter.get_input_details()
        scale, zero_point = taken["quantization"]
        codes = np.clip(np.rint(x.numpy() / scale) + zero_point, -128, 127).astype(CODES)
        self._interpreter.set_tensor(taken["index"], codes.transpose(0, 2, 3, 1))

    def run(self) -> None:
        """One forward pass."""
        self._interpreter.invoke()

    def outputs(self) -> list[NDArray[np.float32]]:
        """What the last pass gave, [1, C, H, W] or [1, C], in the order of the graph's outputs."""
        found = []
        for output in self._interpreter.get_output_details():
            scale, zero_point = output["quantization"]
            value = scale * (self._interpreter.get_tensor(output["index"]).astype(np.float32) - zero_point)
            found.append(value.transpose(0, 3, 1, 2) if value.ndim == 4 else value)
        return found
