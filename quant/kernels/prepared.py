"""One layer made ready to run: its kernel with packed weights, and the conversions around it."""

from dataclasses import dataclass

import torch
from torch import Tensor

from quant.affine import QParams, Quantised, Value, as_codes, as_float, quantise
from quant.cpu import Cpu
from quant.graph import Layer
from quant.kernels.floats import Kernel, float_kernel
from quant.kernels.weighted import WeightedKernel, sums_codes, weighted_kernel
from quant.kernels.weightless import code_kernels
from quant.operations import Weighted
from quant.precision import Precision, keeps_codes, takes_codes
from quant.scales import Calibration, IntegerWeights

Format = QParams | None
"""How a value is stored: as codes of this meaning, or (None) as float32."""


@dataclass(frozen=True, eq=False)
class PreparedLayer:
    """One layer, ready to run.

    Attributes:
        stored: how its inputs are stored.
        wanted: what its kernel takes; an input stored otherwise is converted first.
        output: how its value is stored.
        kernel: from tensors as `wanted` to a tensor as `output`; feature maps are channels-last.
        kernel_over: the same, but the output may take the place of the second input.
        weights: the calibration's integer weights it was made from, None in float.
        integer: its integer product, None where it has none.
    """

    layer: Layer
    precision: Precision
    stored: tuple[Format, ...]
    wanted: tuple[Format, ...]
    output: Format
    kernel: Kernel
    kernel_over: Kernel
    weights: IntegerWeights | None = None
    integer: WeightedKernel | None = None

    @property
    def name(self) -> str:
        return self.layer.name

    def run(self, *values: Value) -> Value:
        """Run on values of any kind, each converted to what the kernel takes; inputs are left as they were."""
        tensors = [
            as_float(value) if wanted is None else as_codes(value, wanted)
            for value, wanted in zip(values, self.wanted, strict=True)
        ]
        with torch.inference_mode():
            y = self.kernel(*(t.contiguous(memory_format=torch.channels_last) if t.dim() == 4 else t for t in tensors))
        return y if self.output is None else Quantised(y, self.output)

    def uncoded(self, *values: Value) -> Tensor:
        """What `run` gives for these values before it is coded, float32."""
        with torch.inference_mode():
            if self.integer is None:
                return self.layer.operation.run(*map(as_float, values))
            first, *residuals = values
            return self.integer.uncoded(as_codes(first, self.integer.x), *map(as_float, residuals))

    def accumulators(self, x: Value) -> Tensor | None:
        """The exact integer sums for this input, int64, or None where the layer has no integer product."""
        if self.integer is None:
            return None
        with torch.inference_mode():
            return self.integer.accumulators(as_codes(x, self.integer.x))

    def stored_kernel(self, last_reader_of_second: bool = False) -> Kernel:
        """From tensors as `stored` to a tensor as `output`: the kernel itself where nothing needs conversion.

        Args:
            last_reader_of_second: no layer reads the second input any more, so that its memory may become the output's.
        """
        kernel = self.kernel_over if last_reader_of_second else self.kernel
        if self.stored == self.wanted:
            return kernel
        steps = tuple(zip(self.stored, self.wanted, strict=True))

        def run(*tensors: Tensor) -> Tensor:
            return kernel(*(convert(t, stored, wanted) for t, (stored, wanted) in zip(tensors, steps, strict=True)))

        return run


def convert(tensor: Tensor, stored: Format, wanted: Format) -> Tensor:
    """The same value in another format."""
    if stored == wanted:
        return tensor
    value = tensor if stored is None else Quantised(tensor, stored)
    return as_float(value) if wanted is None else as_codes(value, wanted)


def prepare_layer(
    layer: Layer,
    precision: Precision,
    stored: tuple[Format, ...],
    output: Format,
    calibration: Calibration,
    input_shape: tuple[int, ...],
    *,
    cpu: Cpu,
) -> PreparedLayer:
    """Pack one layer's weights.

    Args:
        stored: how the inputs are stored; output: how the value is to be.
        input_shape: of the first input, without N.
        cpu: what it is packed for; weights run as 7-bit codes where it has no exact 8-bit product.
    Raises:
        NotCalibrated: an integer run without scales.
    """
    operation = layer.operation
    wanted = _wanted(layer, precision, output, calibration)
    if precision is Precision.FLOAT:
        kernel = _float(layer, output, input_shape)
        return PreparedLayer(layer, precision, stored, wanted, output, kernel, kernel)
    if isinstance(operation, Weighted):
        x = calibration.of_value(layer.inputs[0])
        weights = calibration.of_weights(layer.name)
        run_weights = weights if weights.x_scale == x.scale else weights.for_input(x.scale)
        if not cpu.exact_8_bit:
            run_weights = run_weights.narrowed()
        run_weights = run_weights.summable()
        integer = weighted_kernel(operation, run_weights, x, output, input_shape, wanted[1:], tiles=cpu.tiles)
        return PreparedLayer(layer, precision, stored, wanted, output, integer.run, integer.run_over, weights, integer)
    kernel, kernel_over = code_kernels(operation, wanted, output, input_shape)
    return PreparedLayer(layer, precision, stored, wanted, output, kernel, kernel_over)


def _float(layer: Layer, output: Format, input_shape: tuple[int, ...]) -> Kernel:
    kernel = float_kernel(layer.operation, input_shape)
    if output is None:
        return kernel
    return lambda *values: quantise(kernel(*values), output)


def _wanted(layer: Layer, precision: Precision, output: Format, calibration: Calibration) -> tuple[Format, ...]:
    if precision is Precision.FLOAT:
        return (None,) * len(layer.inputs)
    if isinstance(layer.operation, Weighted):
        in_codes = output is not None and sums_codes(layer.operation)
        first, *residuals = layer.inputs
        return calibration.of_value(first), *(calibration.of_value(r) if in_codes else None for r in residuals)
    if keeps_codes(layer.operation):
        return (output or calibration.of_value(layer.name),) * len(layer.inputs)
    return tuple(
        calibration.of_value(name) if takes_codes(layer.operation, position) else None
        for position, name in enumerate(layer.inputs)
    )
