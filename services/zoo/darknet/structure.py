"""A Darknet network as a value: what each layer does, what it reads, and the shape it gives."""

from dataclasses import dataclass, field
from typing import NamedTuple

from quant import operations
from quant.activation import Activation


class Shape(NamedTuple):
    """One picture's activation, without the batch axis."""

    channels: int
    height: int
    width: int


@dataclass(frozen=True)
class Convolutional:
    """A convolution, batch normalisation where `batch_normalize`, a bias, an activation; strides along (H, W)."""

    filters: int
    in_channels: int
    size: int
    strides: tuple[int, int]
    padding: int
    groups: int
    batch_normalize: bool
    activation: Activation
    dilation: int = 1

    @property
    def weight_shape(self) -> tuple[int, int, int, int]:
        """[O, I / groups, size, size]."""
        return (self.filters, self.in_channels // self.groups, self.size, self.size)


@dataclass(frozen=True)
class Route:
    """Its inputs one after the other along C; of each only the share `group` of `groups`."""

    groups: int
    group: int


@dataclass(frozen=True)
class Shortcut:
    """The first input and the others added to it, as far as each reaches, then the activation."""

    activation: Activation


@dataclass(frozen=True)
class Multiply:
    """The first input times the second, which is of its shape or one factor a channel, then the activation."""

    activation: Activation


@dataclass(frozen=True)
class Skip:
    """A layer that only training needs (dropout, cost) or that does nothing: its output is its input."""


Operation = (
    Convolutional
    | Route
    | Shortcut
    | Multiply
    | Skip
    | operations.Activate
    | operations.MaxPool
    | operations.AvgPool
    | operations.GlobalAvgPool
    | operations.Upsample
    | operations.Reorg
    | operations.Softmax
    | operations.Yolo
    | operations.Region
)


@dataclass(frozen=True)
class DarknetLayer:
    """One layer. `inputs` are indices of earlier layers; -1 is the picture."""

    index: int
    kind: str
    operation: Operation
    inputs: tuple[int, ...]
    shape: Shape
    line: int = field(default=0, compare=False)

    @property
    def name(self) -> str:
        """`convolutional_12`: the section's name and Darknet's own index, from 0."""
        return f"{self.kind}_{self.index}"


@dataclass(frozen=True)
class Network:
    """A cfg that makes sense: every route leads to an earlier layer and every shape fits."""

    input_shape: Shape
    layers: tuple[DarknetLayer, ...]
