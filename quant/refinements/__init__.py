"""What makes integer weights answer better once their scales are chosen: one class a file."""

from quant.refinements.adaround import AdaRound
from quant.refinements.base import LayerSample, Refinement
from quant.refinements.bias_correction import BiasCorrection

__all__ = ["AdaRound", "BiasCorrection", "LayerSample", "Refinement"]
