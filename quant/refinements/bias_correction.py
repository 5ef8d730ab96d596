"""The mean error of each output channel, taken off its bias."""

from dataclasses import replace
from typing import ClassVar

import torch

from quant.refinements.base import LayerSample, Refinement
from quant.scales import IntegerWeights


class BiasCorrection(Refinement):
    """What rounding shifts on average, the bias shifts back, whatever the layers before added to it.

    Source: M. Nagel et al., "Data-Free Quantization Through Weight Equalization and Bias Correction", ICCV 2019,
    section 4.2, with pictures in place of batch norm's statistics.
    """

    name: ClassVar[str] = "bias correction"

    def refine(self, sample: LayerSample, integers: IntegerWeights) -> IntegerWeights:
        error = (sample.of_weights(integers) - sample.wanted).mean(0).double()
        shift = (error / (integers.x_scale * integers.scale.double())).round()
        bias = (integers.bias.double() - shift).clamp(-(2.0**31), 2.0**31 - 1)
        return replace(integers, bias=bias.to(torch.int32))
