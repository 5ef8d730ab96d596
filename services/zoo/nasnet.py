"""NASNet-A (Zoph et al., 2018, "Learning Transferable Architectures for Scalable Image Recognition", figure 4).

The layout is that of Keras' NASNetMobile, whose weights fit after renaming; tests/golden/zoo holds the two together.
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

# Not torch's default: an epsilon is part of what trained weights mean.
_EPSILON = 1e-3


class NASNetA(nn.Module):
    """NASNet-A as a classifier; the defaults are NASNet-A (4 @ 1056), the mobile one.

    Args:
        classes: K.
        penultimate_filters: channels before the classifier, a multiple of 96.
        cells: normal cells between two reductions.
        stem_filters: channels after the first convolution.
        stem_stride: of the first convolution; 1 for small pictures.
        stem_reductions: reduction cells before the first normal cell, 0 to 2; each halves the picture.
    """

    def __init__(
        self,
        classes: int = 1000,
        penultimate_filters: int = 1056,
        cells: int = 4,
        stem_filters: int = 32,
        stem_stride: int = 2,
        stem_reductions: int = 2,
    ):
        super().__init__()
        if penultimate_filters <= 0 or penultimate_filters % 96:
            raise ValueError(f"penultimate_filters {penultimate_filters} is not a multiple of 96")
        if not 0 <= stem_reductions <= 2:
            raise ValueError(f"stem_reductions {stem_reductions} is not in 0 to 2")
        width = penultimate_filters // 24
        self.stem = nn.Sequential(_conv(3, stem_filters, 3, stem_stride), _norm(stem_filters))
        plan: list[tuple[type[NormalCell] | type[ReductionCell], int]] = []
        plan += [(ReductionCell, width // 2**halvings) for halvings in range(stem_reductions, 0, -1)]
        plan += [(NormalCell, width)] * cells
        for widened in (2 * width, 4 * width):
            plan += [(ReductionCell, widened), *[(NormalCell, widened)] * cells]

        self.cells = nn.ModuleList()
        before_last, last = stem_filters, stem_filters
        halved = False
        for kind, channels in plan:
            adjust: nn.Module
            if not self.cells and stem_reductions:
                # The first cell has no cell before it: it takes the stem twice, once as it is.
                adjust, adjusted = nn.Identity(), before_last
            else:
                adjust, adjusted = (Halving if halved else Projection)(before_last, channels), channels
            cell = kind(last, adjust, adjusted, channels)
            self.cells.append(cell)
            before_last, last = last, cell.out_channels
            halved = kind is ReductionCell
        self.classifier = nn.Linear(last, classes)

    def features(self, pictures: Tensor) -> Tensor:
        """Map [N, 3, H, W], H and W at least 32, to [N, penultimate_filters, h, w], all at least 0."""
        current = previous = self.stem(pictures)
        for cell in self.cells:
            current, previous = cell(current, previous), current
        return F.relu(current)

    def forward(self, pictures: Tensor) -> Tensor:
        """Map [N, 3, H, W] to scores [N, K]."""
        scores: Tensor = self.classifier(F.adaptive_avg_pool2d(self.features(pictures), 1).flatten(1))
        return scores


class NormalCell(nn.Module):
    """Keeps H and W: [N, in_channels, H, W] and what came before it to [N, 6 * channels, H, W]."""

    def __init__(self, in_channels: int, adjust: nn.Module, adjusted: int, channels: int):
        super().__init__()
        self.out_channels = adjusted + 5 * channels
        self.adjust = adjust
        self.project = Projection(in_channels, channels)
        self.left1 = SeparableTwice(channels, channels, 5)
        self.right1 = SeparableTwice(adjusted, channels, 3)
        self.left2 = SeparableTwice(adjusted, channels, 5)
        self.right2 = SeparableTwice(adjusted, channels, 3)
        self.left5 = SeparableTwice(channels, channels, 3)

    def forward(self, current: Tensor, previous: Tensor) -> Tensor:
        p, h = self.adjust(previous), self.project(current)
        pooled = _average_around(p)
        x1 = self.left1(h) + self.right1(p)
        x2 = self.left2(p) + self.right2(p)
        x3 = _average_around(h) + p
        x4 = pooled + pooled
        x5 = self.left5(h) + h
        return torch.cat([p, x1, x2, x3, x4, x5], 1)


class ReductionCell(nn.Module):
    """Halves H and W, rounding up: [N, in_channels, H, W] and what came before it to [N, 4 * channels, H/2, W/2]."""

    def __init__(self, in_channels: int, adjust: nn.Module, adjusted: int, channels: int):
        super().__init__()
        self.out_channels = 4 * channels
        self.adjust = adjust
        self.project = Projection(in_channels, channels)
        self.left1 = SeparableTwice(channels, channels, 5, stride=2)
        self.right1 = SeparableTwice(adjusted, channels, 7, stride=2)
        self.right2 = SeparableTwice(adjusted, channels, 7, stride=2)
        self.right3 = SeparableTwice(adjusted, channels, 5, stride=2)
        self.left5 = SeparableTwice(channels, channels, 3)

    def forward(self, current: Tensor, previous: Tensor) -> Tensor:
        p, h = self.adjust(previous), self.project(current)
        padded = _pad_to_halve(h, 3)
        largest = F.max_pool2d(padded, 3, 2)
        x1 = self.left1(h) + self.right1(p)
        x2 = largest + self.right2(p)
        x3 = F.avg_pool2d(padded, 3, 2) + self.right3(p)
        x4 = x2 + _average_around(x1)
        x5 = self.left5(x1) + largest
        return torch.cat([x2, x3, x4, x5], 1)


class SeparableTwice(nn.Module):
    """ReLU, depthwise and pointwise convolution, batch norm; and once more. The first time strides."""

    def __init__(self, in_channels: int, channels: int, kernel: int, stride: int = 1):
        super().__init__()
        self.kernel, self.stride = kernel, stride
        padding = kernel // 2 if stride == 1 else 0
        self.depthwise1 = _conv(in_channels, in_channels, kernel, stride, padding, groups=in_channels)
        self.pointwise1 = _conv(in_channels, channels)
        self.norm1 = _norm(channels)
        self.depthwise2 = _conv(channels, channels, kernel, 1, kernel // 2, groups=channels)
        self.pointwise2 = _conv(channels, channels)
        self.norm2 = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        if self.stride == 2:
            x = _pad_to_halve(x, self.kernel)
        x = F.relu(self.norm1(self.pointwise1(self.depthwise1(x))))
        convolved: Tensor = self.norm2(self.pointwise2(self.depthwise2(x)))
        return convolved


class Projection(nn.Module):
    """ReLU, 1x1 convolution, batch norm: brings a tensor to `channels`."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.conv = _conv(in_channels, channels)
        self.norm = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        projected: Tensor = self.norm(self.conv(F.relu(x)))
        return projected


class Halving(nn.Module):
    """Brings a tensor to half of H and W and to `channels`, even: half of them from every other pixel,
    half from the pixels between, one down and one to the right."""

    def __init__(self, in_channels: int, channels: int):
        super().__init__()
        self.conv1 = _conv(in_channels, channels // 2, 1, 2)
        self.conv2 = _conv(in_channels, channels // 2, 1, 2)
        self.norm = _norm(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(x)
        odd_height, odd_width = x.shape[2] % 2, x.shape[3] % 2
        # Past an odd edge lies one more pixel of zeros; past an even one the stride never steps.
        between = F.pad(x, (0, odd_width, 0, odd_height))[:, :, 1:, 1:]
        halved: Tensor = self.norm(torch.cat([self.conv1(x), self.conv2(between)], 1))
        return halved


def _conv(in_channels: int, out: int, kernel: int = 1, stride: int = 1, padding: int = 0, groups: int = 1) -> nn.Conv2d:
    return nn.Conv2d(in_channels, out, kernel, stride, padding, groups=groups, bias=False)


def _norm(channels: int) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, _EPSILON)


def _average_around(x: Tensor) -> Tensor:
    """3x3 means; at the edge of the pixels that there are."""
    return F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False)


def _pad_to_halve(x: Tensor, kernel: int) -> Tensor:
    """Zeros so that a stride of 2 takes the same pixels as TensorFlow: one less before an even edge than after it."""
    after = kernel // 2
    return F.pad(x, (after - 1 + x.shape[3] % 2, after, after - 1 + x.shape[2] % 2, after))
