"""What calibration chose: the meaning of every value's codes, and every weighted layer as integers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from quant.affine import QParams
from quant.errors import InvalidScale, NotCalibrated, WrongShape
from quant.graph import INPUT, Graph
from quant.operations import Weighted
from quant.precision import keeps_codes

_BIAS_LIMIT = 2.0**30
_LARGEST_SUM = (2**31 - 1) // 255
"""Of the weights of one sign in a channel: times the largest code of a value it is what 32 bits hold."""


@dataclass(frozen=True, eq=False)
class IntegerWeights:
    """A convolution or linear layer in integers: real weight = scale * codes, real bias = bias * x_scale * scale.

    Attributes:
        codes: int8, shaped as the float weight, in -127..127.
        scale: [O], float32, > 0, in weight units per code.
        bias: [O], int32.
        x_scale: the scale of the input the bias was made for.
    """

    codes: Tensor
    scale: Tensor
    bias: Tensor
    x_scale: float

    @property
    def real_bias(self) -> Tensor:
        """[O], float32."""
        return self.real_bias_less(torch.zeros((), dtype=torch.int64))

    def real_bias_less(self, offset: Tensor) -> Tensor:
        """[O], float32: the bias for sums that contain the integers `offset` [O], int64."""
        return ((self.bias - offset).double() * self.x_scale * self.scale.double()).float()

    def for_input(self, x_scale: float) -> "IntegerWeights":
        """The same weights behind an input of another scale; a channel whose bias would not fit is coded coarser."""
        bias = self.bias.double() * (self.x_scale / x_scale)
        share = (_BIAS_LIMIT / bias.abs()).clamp(max=1)
        behind = self if bool((share == 1).all()) else self._coarser(share)
        return replace(behind, bias=(bias * share).round().to(torch.int32), x_scale=x_scale)

    def narrowed(self) -> "IntegerWeights":
        """With 7-bit codes (-63..63), for processors whose 8-bit products saturate; channels narrow already stay."""
        wide = self.codes.flatten(1).to(torch.int16).abs().amax(1) > 63
        if not bool(wide.any()):
            return self
        return self._coarser(torch.where(wide, 63 / 127, 1.0).double())

    def summable(self) -> "IntegerWeights":
        """With codes so small that no sum of products with 8-bit codes goes beyond 32 bits: nearly always the same."""
        count = self.codes[0].numel()
        if 127 * count <= _LARGEST_SUM:
            return self
        rows = self.codes.flatten(1)
        reach = torch.maximum(rows.clamp(min=0).sum(1), -rows.clamp(max=0).sum(1)).double()
        # rounding may raise each code by a half
        share = torch.where(reach > _LARGEST_SUM, (_LARGEST_SUM - count / 2) / reach, 1.0)
        return self if bool((share == 1).all()) else self._coarser(share)

    def _coarser(self, share: Tensor) -> "IntegerWeights":
        """With codes and biases only `share` [O], 0 to 1, as large, and scales so much larger."""
        codes = (self.codes.double() * share.view(-1, *[1] * (self.codes.dim() - 1))).round().to(torch.int8)
        bias = (self.bias.double() * share).round().to(torch.int32)
        return replace(self, codes=codes, scale=(self.scale / share).float(), bias=bias)


@dataclass(frozen=True, eq=False)
class Calibration:
    """`values`: of each value, the input's included, what codes mean; `weights`: each weighted layer in integers."""

    values: Mapping[str, QParams] = field(default_factory=dict)
    weights: Mapping[str, IntegerWeights] = field(default_factory=dict)

    def of_value(self, name: str) -> QParams:
        """Raises NotCalibrated where the value has no scale."""
        try:
            return self.values[name]
        except KeyError:
            raise NotCalibrated(f"the value {name!r} has no scale; calibrate the model first") from None

    def of_weights(self, name: str) -> IntegerWeights:
        """Raises NotCalibrated where the layer has no integer weights."""
        try:
            return self.weights[name]
        except KeyError:
            raise NotCalibrated(f"layer {name!r} has no integer weights; calibrate the model first") from None


def quantise_weights(
    operation: Weighted, scale: Tensor, x_scale: float, *, highest: int = 127, truncate: bool = False
) -> IntegerWeights:
    """Code a layer's weights and bias.

    Args:
        scale: [O], or [1] for one scale per tensor; > 0. Raised where a channel's bias would not fit into 31 bits.
        x_scale: scale of the layer's input.
        highest: the largest code: 127, or 63 for 7-bit weights.
        truncate: cut towards zero where the default is the nearest code, half to even.
    Raises:
        InvalidScale: a scale that is not positive and finite.
        WrongShape: `scale` is neither [O] nor [1].
    """
    channels = operation.weight.shape[0]
    if scale.shape not in ((channels,), (1,)):
        raise WrongShape(f"scale has shape {list(scale.shape)}, expected [{channels}] or [1]")
    if not (torch.isfinite(scale).all() and (scale > 0).all()):
        raise InvalidScale("a weight scale must be positive and finite")
    floor = operation.bias.abs().double() / (x_scale * _BIAS_LIMIT)
    scale = torch.maximum(scale.double().expand(channels), floor).float()
    codes = operation.weight / scale.view(-1, *[1] * (operation.weight.dim() - 1))
    codes = (codes.trunc_() if truncate else codes.round_()).clamp_(-highest, highest).to(torch.int8)
    bias = (operation.bias.double() / (x_scale * scale.double())).round().to(torch.int32)
    return IntegerWeights(codes, scale, bias, x_scale)


def scale_groups(graph: Graph) -> dict[str, str]:
    """Of each value the first of its group: the values that share one scale, since codes pass between them untouched.

    A concatenation is a plain copy of codes only if all its inputs share its scale.
    """
    leader = {INPUT: INPUT}
    for layer in graph.layers:
        leader[layer.name] = layer.name
        if keeps_codes(layer.operation):
            _merge(leader, (*layer.inputs, layer.name))
    return leader


def _merge(leader: dict[str, str], names: Iterable[str]) -> None:
    joined = {leader[name] for name in names}
    first = next(name for name in leader if name in joined)
    for name, old in leader.items():
        if old in joined:
            leader[name] = first
