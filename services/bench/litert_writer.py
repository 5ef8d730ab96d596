"""A .tflite program as it is written: tensors with their scales, constants, operators, one after the other."""

from collections.abc import Sequence
from typing import Any

import flatbuffers
import numpy as np
from ai_edge_litert import schema_py_generated as schema
from numpy.typing import NDArray
from torch import Tensor

OP, KIND = schema.BuiltinOperator, schema.TensorType
CODES = np.int8

_VERSIONS = {OP.CONV_2D: 3, OP.DEPTHWISE_CONV_2D: 3, OP.FULLY_CONNECTED: 4, OP.RESHAPE: 1}
"""Of the operators, the first that takes int8."""


class LiteRtWriter:
    """The program so far; a tensor is known by its name.

    Attributes:
        places: of each tensor its number.
        scales: of each value its scale and zero point.
    """

    def __init__(self) -> None:
        self.places: dict[str, int] = {}
        self.scales: dict[str, tuple[float, int]] = {}
        self._tensors: list[Any] = []
        self._buffers: list[Any] = [schema.BufferT()]
        self._operators: list[Any] = []
        self._kinds: list[int] = []

    def content(self, inputs: Sequence[str], outputs: Sequence[str]) -> bytes:
        """The whole program."""
        part = schema.SubGraphT()
        part.tensors, part.operators = self._tensors, self._operators
        part.inputs, part.outputs = ([self.places[name] for name in names] for names in (inputs, outputs))
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [part], self._buffers
        model.operatorCodes = [self._code(kind) for kind in self._kinds]
        builder = flatbuffers.Builder(1 << 20)
        builder.Finish(model.Pack(builder), b"TFL3")
        return bytes(builder.Output())

    def name_also(self, name: str, source: str) -> None:
        """Let a value be known by another name too."""
        self.places[name], self.scales[name] = self.places[source], self.scales[source]

    def shape_of(self, name: str) -> tuple[int, ...]:
        """A tensor's shape."""
        return tuple(self._tensors[self.places[name]].shape)

    def weights(self, name: str, weight: Tensor, order: tuple[int, ...], axis: int) -> str:
        """Write weights as codes, their axes in another order, with a scale for each of the first axis' channels."""
        scale = (weight.flatten(1).abs().amax(1).clamp(min=1e-9) / 127).numpy()
        codes = np.rint(weight.numpy() / scale.reshape(-1, *[1] * (weight.dim() - 1))).astype(CODES)
        out = self.constant(f"{name}:weights", np.ascontiguousarray(codes.transpose(order)))
        self.set_scale(out, scale, np.zeros(len(scale), np.int64), axis)
        return out

    def bias(self, name: str, bias: Tensor, source: str, weights: str) -> str:
        """Write a bias in units of its product's scale."""
        scale = self.scales[source][0] * np.asarray(self._tensors[self.places[weights]].quantization.scale)
        out = self.constant(f"{name}:bias", np.rint(bias.numpy() / scale).astype(np.int32))
        self.set_scale(out, scale, np.zeros(len(scale), np.int64), 0)
        return out

    def constant(self, name: str, values: NDArray[Any]) -> str:
        """Write a constant, int8 or int32."""
        kinds = {np.dtype(np.int8): KIND.INT8, np.dtype(np.int32): KIND.INT32}
        self.tensor(name, values.shape, kinds[values.dtype], None)
        buffer = schema.BufferT()
        buffer.data = np.frombuffer(values.tobytes(), np.uint8)
        self._tensors[-1].buffer = len(self._buffers)
        self._buffers.append(buffer)
        return name

    def tensor(self, name: str, shape: tuple[int, ...], kind: int, scale: tuple[float, int] | None) -> str:
        """Write a tensor, with scale and zero point where it stands for a value."""
        tensor = schema.TensorT()
        tensor.name, tensor.shape, tensor.type, tensor.buffer = name.encode(), list(shape), kind, 0
        self.places[name] = len(self._tensors)
        self._tensors.append(tensor)
        if scale is not None:
            self.scales[name] = scale
            self.set_scale(name, np.array([scale[0]]), np.array([scale[1]], np.int64), 0)
        return name

    def set_scale(self, name: str, scale: NDArray[Any], zero_point: NDArray[np.int64], axis: int) -> None:
        """Say what a tensor's codes mean, along one of its axes."""
        found = schema.QuantizationParametersT()
        found.scale, found.zeroPoint, found.quantizedDimension = scale.astype(np.float32), zero_point, axis
        self._tensors[self.places[name]].quantization = found

    def node(self, kind: int, inputs: Sequence[str], output: str, options: str = "", **fields: Any) -> None:
        """Write one operator, with the fields of its options."""
        if kind not in self._kinds:
            self._kinds.append(kind)
        operator = schema.OperatorT()
        operator.opcodeIndex = self._kinds.index(kind)
        operator.inputs, operator.outputs = [self.places[each] for each in inputs], [self.places[output]]
        if options:
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            operator.builtinOptions = getattr(schema, f"{options}T")()
            for field, value in fields.items():
                assert hasattr(operator.builtinOptions, field), field
                setattr(operator.builtinOptions, field, value)
        self._operators.append(operator)

    def _code(self, kind: int) -> Any:
        code = schema.OperatorCodeT()
        code.builtinCode, code.deprecatedBuiltinCode, code.version = kind, min(kind, 127), _VERSIONS.get(kind, 2)
        return code
