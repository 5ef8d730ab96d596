"""The calibration that `minmax` gives, without the other algorithms beside it: they take most of a test's time."""

import torch
from torch import Tensor

from quant.affine import QParams
from quant.algorithms.base import WEIGHT
from quant.graph import Graph
from quant.observations import observe, weighted_layers
from quant.operations import Weighted
from quant.scales import Calibration, quantise_weights


def whole_ranges(graph: Graph, *pictures: Tensor) -> Calibration:
    """Spread the codes of each group of values over all that was seen of it, those of each channel over its weights."""
    observed = observe(graph, pictures)
    values = {}
    for name, leader in observed.groups.items():
        members = [each for value, each in observed.histograms.items() if observed.groups[value] == leader]
        values[name] = QParams.of_range(min(each.low for each in members), max(each.high for each in members))
    weights = {}
    for layer in weighted_layers(graph):
        assert isinstance(layer.operation, Weighted)
        low, high = torch.aminmax(layer.operation.weight.flatten(1).double(), dim=1)
        scale = WEIGHT.scales(low, high).scale.float()
        weights[layer.name] = quantise_weights(layer.operation, scale, values[layer.inputs[0]].scale)
    return Calibration(values, weights)
