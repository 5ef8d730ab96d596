"""Rounding by reconstruction: each weight to the code below or above it, so that the layer's outputs are met."""

from dataclasses import replace
from typing import ClassVar

import torch
from torch import Tensor

from quant.refinements.base import LayerSample, Refinement, grouped, grouped_product
from quant.scales import IntegerWeights

SWEEPS = 3
RIDGE = 0.01
"""Of the mean square of a window's elements, added to each: few windows must not explain many weights."""
_BLOCK = 64
"""Weights of a window whose products are brought up to date at once."""


class AdaRound(Refinement):
    """The nearest code is best for a weight alone, not for a sum: what one weight loses another can make up for.

    Source: M. Nagel et al., "Up or Down? Adaptive Rounding for Post-Training Quantization", ICML 2020. Their problem
    (section 3.1: the layer's squared error, each code rounded up or down) is solved by descent over one weight at a
    time, from the nearest codes on: no rate and no seed, and the error never grows. Fewer windows than weights in one
    say too little: such layers, wide matrices and the last 3x3 convolutions, are left as they are.
    """

    name: ClassVar[str] = "AdaRound"

    def refine(self, sample: LayerSample, integers: IntegerWeights) -> IntegerWeights:
        groups, count, width = sample.columns.shape
        if count < width:
            return integers
        weight = sample.operation.weight.flatten(1)
        # The bias takes the mean error off, so rounding need not.
        columns = sample.columns - sample.columns.mean(1, keepdim=True)
        inherited = sample.wanted - grouped_product(sample.columns, grouped(weight, groups))
        inherited = (inherited - inherited.mean(0)).reshape(count, groups, -1).permute(1, 2, 0)
        hessian = columns.transpose(1, 2) @ columns / count
        diagonal = hessian.diagonal(dim1=1, dim2=2)
        diagonal += RIDGE * diagonal.mean(1, keepdim=True) + 1e-12
        highest = 127 if int(integers.codes.abs().max()) > 63 else 63
        scale = grouped(integers.scale[:, None], groups)
        codes = _descend(
            grouped(weight, groups) / scale,
            grouped(integers.codes.flatten(1).float(), groups),
            scale,
            hessian,
            torch.bmm(inherited, columns) / count,
            highest,
        )
        return replace(integers, codes=codes.reshape(integers.codes.shape).to(torch.int8))


def _descend(weight: Tensor, codes: Tensor, scale: Tensor, hessian: Tensor, inherited: Tensor, highest: int) -> Tensor:
    """Change one code of each row at a time, to the better of the two around its weight.

    Args:
        weight, codes: [G, R, d], in codes.
        scale: [G, R, 1].
        hessian: [G, d, d], symmetric.
        inherited: [G, R, d]: the mean product of what the output lacks already with each element of a window.
    """
    low, high = weight.floor().clamp(-highest, highest), weight.ceil().clamp(-highest, highest)
    inherited = inherited / scale
    # Half the slope of the squared error in (weight - code).
    slope = torch.bmm(weight - codes, hessian) + inherited
    diagonal = hessian.diagonal(dim1=1, dim2=2)
    width = weight.shape[2]
    for _ in range(SWEEPS):
        before = codes.clone()
        for start in range(0, width, _BLOCK):
            block = slice(start, min(start + _BLOCK, width))
            changed = _descend_block(codes, low, high, slope, diagonal, hessian, block)
            slope -= torch.bmm(changed, hessian[:, block])
        if torch.equal(before, codes):
            break
    return codes


def _descend_block(
    codes: Tensor, low: Tensor, high: Tensor, slope: Tensor, diagonal: Tensor, hessian: Tensor, block: slice
) -> Tensor:
    """Descend over a block's weights in place; by how much each code changed."""
    before = codes[:, :, block].clone()
    near = slope[:, :, block].clone()
    for at, index in enumerate(range(block.start, block.stop)):
        wanted = codes[:, :, index] + near[:, :, at] / diagonal[:, None, index]
        code = torch.minimum(torch.maximum(wanted.round(), low[:, :, index]), high[:, :, index])
        step = code - codes[:, :, index]
        near -= step[:, :, None] * hessian[:, None, index, block]
        codes[:, :, index] = code
    return codes[:, :, block] - before
