"""The element-wise functions a layer may end with."""

from enum import StrEnum

import torch
import torch.nn.functional as F
from torch import Tensor


class Activation(StrEnum):
    """Darknet's `linear` is NONE, its `logistic` is SIGMOID."""

    NONE = "none"
    RELU = "relu"
    RELU6 = "relu6"
    LEAKY = "leaky"
    SILU = "silu"
    HARDSWISH = "hardswish"
    HARDSIGMOID = "hardsigmoid"
    SIGMOID = "sigmoid"
    MISH = "mish"
    GELU = "gelu"


LEAKY_SLOPE = 0.1
"""Darknet's only slope."""


def activate(x: Tensor, activation: Activation) -> Tensor:
    """Apply `activation` to every element of a float tensor of any shape; the input is left as it was."""
    match activation:
        case Activation.NONE:
            return x
        case Activation.RELU:
            return torch.relu(x)
        case Activation.RELU6:
            return F.relu6(x)
        case Activation.LEAKY:
            return F.leaky_relu(x, LEAKY_SLOPE)
        case Activation.SILU:
            return F.silu(x)
        case Activation.HARDSWISH:
            return F.hardswish(x)
        case Activation.HARDSIGMOID:
            return F.hardsigmoid(x)
        case Activation.SIGMOID:
            return torch.sigmoid(x)
        case Activation.MISH:
            return F.mish(x)
        case Activation.GELU:
            return F.gelu(x)
