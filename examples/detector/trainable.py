"""A Darknet network as a torch module that can be trained, and its weights as Darknet keeps them."""

import numpy as np
import torch
from torch import Tensor, nn

from quant import operations
from quant.activation import activate
from services.zoo.darknet.structure import Convolutional, Network, Route
from services.zoo.darknet.weights import ConvolutionWeights, Floats, Normalization, Weights, WeightsHeader

_DARKNET_EPSILON = 1e-6


class TrainableConvolution(nn.Module):
    """Convolution, batch normalisation over the batch, bias and activation."""

    def __init__(self, operation: Convolutional) -> None:
        super().__init__()
        self.operation = operation
        self.convolution = nn.Conv2d(
            operation.in_channels,
            operation.filters,
            operation.size,
            operation.strides,
            operation.padding,
            operation.dilation,
            groups=operation.groups,
            bias=not operation.batch_normalize,
        )
        self.normalization = nn.BatchNorm2d(operation.filters) if operation.batch_normalize else None

    def forward(self, x: Tensor) -> Tensor:
        y = self.convolution(x)
        return activate(y if self.normalization is None else self.normalization(y), self.operation.activation)

    def export(self) -> ConvolutionWeights:
        """Its weights for Darknet, to the same function.

        torch divides by sqrt(variance + eps), Darknet by sqrt(variance) + 1e-6: the variance written makes both equal.
        """
        weights = _array(self.convolution.weight)
        if self.normalization is None:
            assert self.convolution.bias is not None
            return ConvolutionWeights(_array(self.convolution.bias), None, weights)
        batch_norm = self.normalization
        assert batch_norm.running_mean is not None
        assert batch_norm.running_var is not None
        deviation = (batch_norm.running_var.double() + batch_norm.eps).sqrt() - _DARKNET_EPSILON
        normalization = Normalization(_array(batch_norm.weight), _array(batch_norm.running_mean), _array(deviation**2))
        return ConvolutionWeights(_array(batch_norm.bias), normalization, weights)


class TrainableNetwork(nn.Module):
    """All layers of a network but the heads' own arithmetic: `forward` gives each head's raw map."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network
        self.convolutions = nn.ModuleDict(
            {
                str(layer.index): TrainableConvolution(layer.operation)
                for layer in network.layers
                if isinstance(layer.operation, Convolutional)
            }
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        """[N, C, H, W] to the raw input [N, A * (5 + K), H, W] of every yolo layer, in the order of the cfg."""
        values: list[Tensor] = []
        heads: list[Tensor] = []
        for layer in self.network.layers:
            inputs = [x if index == -1 else values[index] for index in layer.inputs]
            match layer.operation:
                case Convolutional():
                    values.append(self.convolutions[str(layer.index)](inputs[0]))
                case Route(groups=1):
                    values.append(torch.cat(inputs, 1))
                case operations.MaxPool() | operations.Upsample():
                    values.append(layer.operation.run(inputs[0]))
                case operations.Yolo():
                    heads.append(inputs[0])
                    values.append(inputs[0])
                case operation:
                    raise NotImplementedError(f"{layer.name}: {type(operation).__name__} is not trained here")
        return heads

    def export(self, pictures_seen: int) -> Weights:
        """All weights as Darknet keeps them."""
        convolutions: dict[int, ConvolutionWeights] = {}
        for index, convolution in self.convolutions.items():
            assert isinstance(convolution, TrainableConvolution)
            convolutions[int(index)] = convolution.export()
        return Weights(WeightsHeader(seen=pictures_seen), convolutions)


def _array(tensor: Tensor) -> Floats:
    return np.ascontiguousarray(tensor.detach().float().numpy())
