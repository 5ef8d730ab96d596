"""Nodes and constants of an ONNX program, as they are written one after the other."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import torch
from onnx import helper, numpy_helper
from torch import Tensor

from quant.affine import QParams

OPSET = 20
"""The first with Gelu; Mish is from 18, and scales for each channel from 13."""
GRAPH = "strata"
"""What the graph of each program of ours is called; in it a value's name begins with its layer's, before a colon."""
CODES = ":codes"
"""Behind a value's name: its codes, uint8."""


class OnnxWriter:
    """The program so far. A value is known by its name; nodes are named after the value they give."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: list[onnx.TensorProto] = []

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Write one node; the name of its value."""
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def constant(self, name: str, value: Tensor | Sequence[int] | Sequence[float]) -> str:
        """Write a constant: a tensor as it is, whole numbers as int64, others as float32."""
        if isinstance(value, Tensor):
            array = value.detach().contiguous().numpy()
        else:
            array = np.array(value, np.int64 if all(isinstance(each, int) for each in value) else np.float32)
        self.constants.append(numpy_helper.from_array(array, name))
        return name

    def coded(self, value: str, qparams: QParams, codes: str, output: str) -> str:
        """Write a value as uint8 codes, and back as float32: what readers take for integers is between the two.

        Args:
            codes, output: names of the codes, and of the value that they stand for.
        """
        meaning = [self._scalar(f"{codes}:scale", np.float32(qparams.scale))]
        meaning.append(self._scalar(f"{codes}:zero_point", np.uint8(qparams.zero_point)))
        self.node("QuantizeLinear", [value, *meaning], codes)
        return self.node("DequantizeLinear", [codes, *meaning], output)

    def coded_input(self, name: str, qparams: QParams) -> str:
        """Write the picture as codes, and back as float32; the name of that.

        As the engine it multiplies by 1 / scale, where QuantizeLinear would divide: a letterboxed picture has pixels
        half way between two codes by the thousand, and each would fall on the other side.
        """
        factor = self._scalar(f"{name}:factor", np.float32(1 / qparams.scale))
        zero_point = self._scalar(f"{name}:zero_point", np.uint8(qparams.zero_point))
        steps = self.node("Mul", [name, factor], f"{name}:steps")
        unit, scale = (
            self._scalar(f"{name}:{word}", np.float32(v)) for word, v in (("unit", 1), ("scale", qparams.scale))
        )
        codes = self.node("QuantizeLinear", [steps, unit, zero_point], f"{name}{CODES}")
        return self.node("DequantizeLinear", [codes, scale, zero_point], f"{name}:value")

    def decoded(self, name: str, codes: Tensor, scale: Tensor) -> str:
        """Write constant integers with a scale for each of their first axis, and the float32 that they stand for.

        Their zero points, all 0, may be left out by the specification; but ONNX Runtime would then decode the weights
        of a matrix product at each run, and end with a fault of its own where it makes uint8 of int8.
        """
        parts = [self.constant(f"{name}{CODES}", codes), self.constant(f"{name}:scale", scale)]
        parts.append(self.constant(f"{name}:zero_point", torch.zeros_like(scale, dtype=codes.dtype)))
        return self.node("DequantizeLinear", parts, name, axis=0)

    def _scalar(self, name: str, value: np.generic) -> str:
        self.constants.append(numpy_helper.from_array(np.array(value), name))
        return name
