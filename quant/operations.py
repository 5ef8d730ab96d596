"""What a layer computes: one frozen dataclass per operation, whose `run` is the float definition.

Feature maps are float32 [N, C, H, W], vectors [N, C]. A `padding` of four is (left, right, top, bottom).
What runs them, in float and in integers, is in `quant.kernels`; their int64 definition is in `quant.reference`.
"""

from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor

from quant.activation import Activation, activate

Pair = tuple[int, int]
Padding = tuple[int, int, int, int]


@dataclass(frozen=True, eq=False)
class Conv2d:
    """Convolution, batch norm folded in: activation(conv(x) + bias [+ residual]).

    weight [O, I / groups, KH, KW]; bias [O]; stride, padding and dilation are (H, W), the same on both sides.
    A second input, where the layer has one, is a residual of the output's shape, added before the activation.
    """

    weight: Tensor
    bias: Tensor
    stride: Pair = (1, 1)
    padding: Pair = (0, 0)
    dilation: Pair = (1, 1)
    groups: int = 1
    activation: Activation = Activation.NONE

    @property
    def window(self) -> Pair:
        """(H, W): how many input pixels one output pixel spans, those between a dilated kernel's taps included."""
        kernel_h, kernel_w = self.weight.shape[2:]
        return (kernel_h - 1) * self.dilation[0] + 1, (kernel_w - 1) * self.dilation[1] + 1

    def run(self, x: Tensor, residual: Tensor | None = None) -> Tensor:
        y = F.conv2d(x, self.weight, self.bias, self.stride, self.padding, self.dilation, self.groups)
        return activate(y if residual is None else y + residual, self.activation)


@dataclass(frozen=True, eq=False)
class Linear:
    """weight [O, I]; bias [O]; [N, I] -> [N, O]."""

    weight: Tensor
    bias: Tensor
    activation: Activation = Activation.NONE

    def run(self, x: Tensor) -> Tensor:
        return activate(F.linear(x, self.weight, self.bias), self.activation)


@dataclass(frozen=True, eq=False)
class BatchNorm:
    """A batch norm that no convolution took in: activation(x * scale + shift); scale and shift [C]."""

    scale: Tensor
    shift: Tensor
    activation: Activation = Activation.NONE

    def run(self, x: Tensor) -> Tensor:
        shape = (1, -1) + (1,) * (x.dim() - 2)
        return activate(x * self.scale.view(shape) + self.shift.view(shape), self.activation)


@dataclass(frozen=True)
class MaxPool:
    """Padding counts as minus infinity and may be asymmetric (Darknet's size 2, stride 1 pads right and bottom)."""

    kernel: Pair
    stride: Pair
    padding: Padding = (0, 0, 0, 0)

    def run(self, x: Tensor) -> Tensor:
        padded = F.pad(x, self.padding, value=float("-inf")) if any(self.padding) else x
        return F.max_pool2d(padded, self.kernel, self.stride)


@dataclass(frozen=True)
class AvgPool:
    """Padding counts as zeros if `count_include_pad`, else not at all."""

    kernel: Pair
    stride: Pair
    padding: Padding = (0, 0, 0, 0)
    count_include_pad: bool = False

    def run(self, x: Tensor) -> Tensor:
        if not any(self.padding):
            return F.avg_pool2d(x, self.kernel, self.stride)
        mean = F.avg_pool2d(F.pad(x, self.padding), self.kernel, self.stride)
        if self.count_include_pad:
            return mean
        present = F.pad(torch.ones_like(x[:1, :1]), self.padding)
        return mean / F.avg_pool2d(present, self.kernel, self.stride)


@dataclass(frozen=True)
class GlobalAvgPool:
    """[N, C, H, W] -> [N, C, 1, 1]."""

    def run(self, x: Tensor) -> Tensor:
        return x.mean((2, 3), keepdim=True)


@dataclass(frozen=True)
class Add:
    """Sum of two or more values of one shape, then the activation (Darknet's shortcut)."""

    activation: Activation = Activation.NONE

    def run(self, first: Tensor, *others: Tensor) -> Tensor:
        total = first
        for other in others:
            total = total + other
        return activate(total, self.activation)


@dataclass(frozen=True)
class Mul:
    """[N, C, H, W] times [N, C, 1, 1] or its equal in shape (squeeze-excite)."""

    def run(self, x: Tensor, factor: Tensor) -> Tensor:
        return x * factor


@dataclass(frozen=True)
class Concat:
    """Joins its inputs along the channels, in their order."""

    def run(self, *parts: Tensor) -> Tensor:
        return torch.cat(parts, 1)


@dataclass(frozen=True)
class Slice:
    """Channels `start` (included) to `stop` (excluded): Darknet's route with groups."""

    start: int
    stop: int

    def run(self, x: Tensor) -> Tensor:
        return x[:, self.start : self.stop]


@dataclass(frozen=True)
class Upsample:
    """Nearest neighbour by a whole factor."""

    factor: int

    def run(self, x: Tensor) -> Tensor:
        return F.interpolate(x, scale_factor=float(self.factor), mode="nearest")


@dataclass(frozen=True)
class Reorg:
    """Darknet's reorg: [N, C, H, W] -> [N, C * stride^2, H / stride, W / stride], in Darknet's own order.

    Darknet reads the input's memory as if it were [C / stride^2, H * stride, W * stride] and moves each stride x stride
    block of that picture into the channels, so C must be a multiple of stride^2. It is not pixel-unshuffle.
    Source: darknet's reorg_cpu, called with forward = 0.
    """

    stride: int

    def run(self, x: Tensor) -> Tensor:
        N, C, H, W = x.shape
        s = self.stride
        blocks = x.reshape(N, C // (s * s), H, s, W, s)
        return blocks.permute(0, 3, 5, 1, 2, 4).reshape(N, C * s * s, H // s, W // s)


@dataclass(frozen=True)
class Pad:
    """Zeros around the picture; a negative entry crops (NASNet's shifted path)."""

    padding: Padding

    def run(self, x: Tensor) -> Tensor:
        return F.pad(x, self.padding)


@dataclass(frozen=True)
class Activate:
    """An activation that follows no convolution."""

    activation: Activation

    def run(self, x: Tensor) -> Tensor:
        return activate(x, self.activation)


@dataclass(frozen=True)
class Flatten:
    """[N, C, H, W] -> [N, C * H * W], channels outermost."""

    def run(self, x: Tensor) -> Tensor:
        return x.flatten(1)


@dataclass(frozen=True)
class Softmax:
    """Over the channels; always in float."""

    def run(self, x: Tensor) -> Tensor:
        return x.softmax(1)


@dataclass(frozen=True)
class Yolo:
    """Raw head [N, A * (5 + K), H, W] -> the same shape, as Darknet's yolo layer leaves it; always in float.

    Per anchor: x, y (logistic, then stretched around the cell's middle by `scale_x_y`), w, h (raw), objectness and
    K classes (logistic). `anchors` are this head's own A sizes (width, height) in input pixels. With `new_coords` (as
    Scaled-YOLOv4 has it) the layer before applies the logistic function to all, and w and h are of another meaning.
    `distance_exponent` says how much boxes apart keep each other in suppression; None where overlap alone decides.
    """

    classes: int
    anchors: tuple[tuple[float, float], ...]
    scale_x_y: float = 1.0
    new_coords: bool = False
    distance_exponent: float | None = None
    in_cells: ClassVar[bool] = False

    def run(self, x: Tensor) -> Tensor:
        y = x.clone() if self.new_coords else x.sigmoid()
        N, _, H, W = x.shape
        anchors, raw = (part.view(N, -1, 5 + self.classes, H, W) for part in (y, x))
        if self.scale_x_y != 1.0:
            anchors[:, :, :2].mul_(self.scale_x_y).sub_(0.5 * (self.scale_x_y - 1))
        anchors[:, :, 2:4] = raw[:, :, 2:4]
        return y


@dataclass(frozen=True)
class Region:
    """Raw head of YOLO v2, [N, A * (5 + K), H, W] -> the same shape; always in float.

    Per anchor: x, y (logistic), w, h (raw), objectness (logistic), K classes (softmax). `anchors` are sizes in cells.
    """

    classes: int
    anchors: tuple[tuple[float, float], ...]
    in_cells: ClassVar[bool] = True
    new_coords: ClassVar[bool] = False
    distance_exponent: ClassVar[float | None] = None

    def run(self, x: Tensor) -> Tensor:
        N, _, H, W = x.shape
        y = x.reshape(N, len(self.anchors), 5 + self.classes, H, W).clone()
        y[:, :, :2] = y[:, :, :2].sigmoid()
        y[:, :, 4] = y[:, :, 4].sigmoid()
        y[:, :, 5:] = y[:, :, 5:].softmax(2)
        return y.reshape(x.shape)


Weighted = Conv2d | Linear
Operation = (
    Conv2d
    | Linear
    | BatchNorm
    | MaxPool
    | AvgPool
    | GlobalAvgPool
    | Add
    | Mul
    | Concat
    | Slice
    | Upsample
    | Reorg
    | Pad
    | Activate
    | Flatten
    | Softmax
    | Yolo
    | Region
)
