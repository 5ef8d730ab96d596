"""Random weights under which activations neither die nor explode, for measurements and tests without trained ones."""

import numpy as np

from services.zoo.darknet.structure import Convolutional, Network, Shortcut
from services.zoo.darknet.weights import ConvolutionWeights, Floats, Normalization, Weights, WeightsHeader

_BRANCH_GAIN = (
    0.3  # of a convolution that a shortcut adds: 23 additions, as in yolov3, then grow the deviation 2.7 times
)


def random_weights(network: Network, seed: int) -> Weights:
    """Draw weights for every convolution: He's normal distribution, batch normalisation close to the identity.

    Source: He et al., Delving Deep into Rectifiers (2015), equation 10.
    """
    random = np.random.default_rng(seed)
    branches = {layer.inputs[0] for layer in network.layers if isinstance(layer.operation, Shortcut)}
    convolutions = {
        layer.index: _draw(random, layer.operation, _BRANCH_GAIN if layer.index in branches else 1.0)
        for layer in network.layers
        if isinstance(layer.operation, Convolutional)
    }
    return Weights(WeightsHeader(), convolutions)


def _draw(random: np.random.Generator, operation: Convolutional, gain: float) -> ConvolutionWeights:
    shape = operation.weight_shape
    fan_in = shape[1] * shape[2] * shape[3]
    weights = random.standard_normal(shape, np.float32) * np.float32(np.sqrt(2 / fan_in))

    def uniform(low: float, high: float) -> Floats:
        return random.uniform(low, high, operation.filters).astype(np.float32)

    if not operation.batch_normalize:
        return ConvolutionWeights(uniform(-0.1, 0.1), None, weights)
    normalization = Normalization(gain * uniform(0.8, 1.2), uniform(-0.2, 0.2), uniform(0.7, 1.4))
    return ConvolutionWeights(gain * uniform(-0.2, 0.2), normalization, weights)
