"""Edits as values: each names what changes, and applied to a variant gives a new one; the old one stays as it was."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from quant.affine import QParams
from quant.errors import InvalidEdit, InvalidScale, LayerNotFound, NotCalibrated
from quant.operations import Weighted
from quant.precision import Precision, supports
from quant.scales import IntegerWeights, quantise_weights, scale_groups
from quant.variant import Variant

Place = tuple[int, ...]
"""Where in a tensor: () all of it, (o,) one output channel, (o, i, h, w) one element."""


@dataclass(frozen=True, eq=False)
class EditWeights:
    """Set float weights; the integer codes follow.

    `values` has the shape of the place, or is a single number for all of it. Scales stay, but for channels whose new
    weights they would clip: those get the scale of their largest weight.
    """

    layer: str
    values: Tensor
    place: Place = ()

    def apply(self, variant: Variant) -> Variant:
        """Raises LayerNotFound, InvalidEdit, NonFiniteValue (beyond float32)."""
        operation = _weighted(variant, self.layer)
        weight = _placed(operation.weight, self.place, self.values, f"the weights of layer {self.layer!r}")
        edited = replace(operation, weight=weight)
        graph = variant.graph.with_operation(self.layer, edited)
        integers = variant.calibration.weights.get(self.layer)
        if integers is None:
            return replace(variant, graph=graph)
        channels = slice(self.place[0], self.place[0] + 1) if self.place else slice(None)
        rows = weight[channels].flatten(1)
        # Two passes: torch's aminmax along a dimension takes three times as long as both, and more of short rows.
        reach = torch.maximum(-rows.amin(1), rows.amax(1)) / 127
        scale = integers.scale.clone()
        scale[channels] = torch.where(reach > scale[channels], reach, scale[channels])
        recoded = quantise_weights(_rows(edited, channels), scale[channels], integers.x_scale)
        return _with_weights(replace(variant, graph=graph), self.layer, _joined(integers, recoded, channels))


@dataclass(frozen=True, eq=False)
class EditCodes:
    """Set integer codes, -127..127; the float weights stay. `values` as in EditWeights, of any integer type."""

    layer: str
    values: Tensor
    place: Place = ()

    def apply(self, variant: Variant) -> Variant:
        """Raises LayerNotFound, InvalidEdit, NotCalibrated."""
        _weighted(variant, self.layer)
        integers = variant.calibration.of_weights(self.layer)
        whole = not (self.values.is_floating_point() or self.values.dtype == torch.bool)
        # compared at both ends: the least number of a type has no opposite in it, so abs() would let it pass
        wide = self.values.to(torch.int64)
        if not whole or bool(((wide < -127) | (wide > 127)).any()):
            raise InvalidEdit(f"codes of layer {self.layer!r} must be whole numbers in -127..127")
        codes = _placed(integers.codes, self.place, self.values, f"the codes of layer {self.layer!r}")
        return _with_weights(variant, self.layer, replace(integers, codes=codes))


@dataclass(frozen=True, eq=False)
class EditBias:
    """Set float biases, in output units; the integer ones follow. `place` is () or (o,)."""

    layer: str
    values: Tensor
    place: Place = ()

    def apply(self, variant: Variant) -> Variant:
        """Raises LayerNotFound, InvalidEdit, NonFiniteValue (beyond float32)."""
        operation = _weighted(variant, self.layer)
        bias = _placed(operation.bias, self.place, self.values, f"the biases of layer {self.layer!r}")
        variant = replace(variant, graph=variant.graph.with_operation(self.layer, replace(operation, bias=bias)))
        integers = variant.calibration.weights.get(self.layer)
        if integers is None:
            return variant
        coded = (bias.double() / (integers.x_scale * integers.scale.double())).round()
        if float(coded.abs().max()) >= 2.0**31:
            raise InvalidEdit(f"a bias of layer {self.layer!r} does not fit into 32 bits at its scale; raise the scale")
        # what an earlier calibration or edit made of the other channels stays
        kept = coded.to(torch.int32) if not self.place else integers.bias.clone()
        kept[self.place[0] if self.place else slice(None)] = coded.to(torch.int32)[self.place or slice(None)]
        return _with_weights(variant, self.layer, replace(integers, bias=kept))


@dataclass(frozen=True)
class EditScale:
    """Set the weight scale of one output channel, in weight units per code; its codes and bias are made anew."""

    layer: str
    channel: int
    scale: float

    def apply(self, variant: Variant) -> Variant:
        """Raises LayerNotFound, InvalidEdit, InvalidScale, NotCalibrated."""
        operation = _weighted(variant, self.layer)
        integers = variant.calibration.of_weights(self.layer)
        if not 0 <= self.channel < len(integers.scale):
            raise InvalidEdit(f"layer {self.layer!r} has channels 0..{len(integers.scale) - 1}, not {self.channel}")
        if not (math.isfinite(self.scale) and self.scale > 0):
            raise InvalidScale(f"a weight scale must be positive and finite, not {self.scale}")
        rows = slice(self.channel, self.channel + 1)
        asked = torch.tensor([self.scale])
        recoded = quantise_weights(_rows(operation, rows), asked, integers.x_scale)
        if bool(recoded.scale > asked):
            raise InvalidEdit(
                f"the bias of channel {self.channel} of layer {self.layer!r} does not fit into 32 bits at the scale "
                f"{self.scale:g}; the least is {float(recoded.scale):.3g}"
            )
        return _with_weights(variant, self.layer, _joined(integers, recoded, rows))


@dataclass(frozen=True)
class EditRange:
    """Set the range that a value's codes span, in value units; values that share its scale follow."""

    value: str
    low: float
    high: float

    def apply(self, variant: Variant) -> Variant:
        """Raises LayerNotFound, InvalidEdit, InvalidScale (too wide for float32), NotCalibrated."""
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low <= 0 <= self.high > self.low):
            raise InvalidEdit(f"a range must be finite, hold zero and have a width; [{self.low}, {self.high}] does not")
        groups = scale_groups(variant.graph)
        if self.value not in groups:
            raise LayerNotFound(f"no value {self.value!r} in this graph")
        calibrated = variant.calibration.values
        if calibrated and self.value not in calibrated:
            raise InvalidEdit(f"the value {self.value!r} is not coded: it stays in float32 and has no range")
        variant.calibration.of_value(self.value)
        qparams = QParams.of_range(self.low, self.high)
        shared = {name: qparams for name in variant.calibration.values if groups[name] == groups[self.value]}
        values: Mapping[str, QParams] = {**variant.calibration.values, **shared}
        return replace(variant, calibration=replace(variant.calibration, values=values))


@dataclass(frozen=True)
class EditPrecision:
    """Run one layer in another precision."""

    layer: str
    precision: Precision

    def apply(self, variant: Variant) -> Variant:
        """Raises LayerNotFound, InvalidEdit, NotCalibrated."""
        operation = variant.graph.layer(self.layer).operation
        if not supports(operation, self.precision):
            raise InvalidEdit(
                f"layer {self.layer!r}, a {type(operation).__name__}, cannot run as {self.precision.value}"
            )
        if self.precision is not Precision.FLOAT and not variant.calibration.values:
            raise NotCalibrated("an integer run needs scales; calibrate the model first")
        return replace(variant, plan={**variant.plan, self.layer: self.precision})


Edit = EditWeights | EditCodes | EditBias | EditScale | EditRange | EditPrecision


def _weighted(variant: Variant, layer: str) -> Weighted:
    operation = variant.graph.layer(layer).operation
    if not isinstance(operation, Weighted):
        raise InvalidEdit(f"layer {layer!r}, a {type(operation).__name__}, has no weights to edit")
    return operation


def _placed(tensor: Tensor, place: Place, values: Tensor, what: str) -> Tensor:
    """A copy of `tensor` with `values` at `place`."""
    sizes = tensor.shape[: len(place)]
    if len(place) > tensor.dim() or any(not 0 <= at < size for at, size in zip(place, sizes, strict=True)):
        raise InvalidEdit(f"{what} have shape {list(tensor.shape)}; there is no place {list(place)} in them")
    if values.shape not in (tensor[place].shape, ()):
        raise InvalidEdit(f"{what} at {list(place)} have shape {list(tensor[place].shape)}, not {list(values.shape)}")
    if values.is_floating_point() and not all(map(math.isfinite, torch.aminmax(values))):
        raise InvalidEdit(f"{what} cannot be NaN or infinity")
    values = values.to(tensor.dtype)
    if not place:
        return values.expand(tensor.shape).clone()
    edited = tensor.clone()
    edited[place] = values
    return edited


def _rows(operation: Weighted, channels: slice) -> Weighted:
    return replace(operation, weight=operation.weight[channels], bias=operation.bias[channels])


def _joined(whole: IntegerWeights, part: IntegerWeights, channels: slice) -> IntegerWeights:
    """The layer's integers with some channels replaced."""
    if channels == slice(None):
        return part
    codes, scale, bias = whole.codes.clone(), whole.scale.clone(), whole.bias.clone()
    codes[channels], scale[channels], bias[channels] = part.codes, part.scale, part.bias
    return IntegerWeights(codes, scale, bias, whole.x_scale)


def _with_weights(variant: Variant, layer: str, integers: IntegerWeights) -> Variant:
    weights = {**variant.calibration.weights, layer: integers}
    return replace(variant, calibration=replace(variant.calibration, weights=weights))
