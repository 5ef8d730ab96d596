"""EfficientNet-Lite (Google, 2020): EfficientNet without squeeze-excite, with ReLU6, its stem and head of fixed width.

The layout is that of TensorFlow's efficientnet_lite_builder.py, whose weights fit after renaming; tests/golden/zoo
holds it to the port that those weights come with.
"""

import math
import re
from collections.abc import Mapping

import torch.nn.functional as F
from torch import Tensor, nn

# Not torch's default: an epsilon is part of what trained weights mean.
_EPSILON = 1e-3
_STEM_FILTERS, _HEAD_FILTERS = 32, 1280
# Expansion, kernel, stride, channels out, layers: table 1 of Tan and Le, 2019.
_STAGES = (
    (1, 3, 1, 16, 1),
    (6, 3, 2, 24, 2),
    (6, 5, 2, 40, 2),
    (6, 3, 2, 80, 3),
    (6, 5, 1, 112, 3),
    (6, 5, 2, 192, 4),
    (6, 3, 1, 320, 1),
)


class EfficientNetLite(nn.Module):
    """EfficientNet-Lite as a classifier; the defaults are Lite0.

    Args:
        classes: K.
        width_mult: of the channels between stem and head, which have their own.
        depth_mult: of the layers of all stages but the first and the last.
    """

    def __init__(self, classes: int = 1000, width_mult: float = 1.0, depth_mult: float = 1.0, dropout: float = 0.2):
        super().__init__()
        self.stem = _Unit(3, _STEM_FILTERS, 3, stride=2)
        self.blocks = nn.Sequential()
        channels = _STEM_FILTERS
        for stage, (expansion, kernel, stride, filters, layers) in enumerate(_STAGES):
            out = _scaled(filters, width_mult)
            scaled = stage not in (0, len(_STAGES) - 1)
            for layer in range(math.ceil(layers * depth_mult) if scaled else layers):
                self.blocks.append(_Block(channels, out, expansion, kernel, 1 if layer else stride))
                channels = out
        self.head = _Unit(channels, _HEAD_FILTERS, 1)
        self.dropout = nn.Dropout(dropout)
        self.classifier = nn.Linear(_HEAD_FILTERS, classes)

    def forward(self, x: Tensor) -> Tensor:
        """Map [N, 3, H, W] to scores [N, K]."""
        x = self.head(self.blocks(self.stem(x)))
        scores: Tensor = self.classifier(self.dropout(x.mean((2, 3))))
        return scores


class _SameConv2d(nn.Conv2d):
    """TensorFlow's padding SAME: ceil(size / stride) outputs, and an odd pixel of padding at the far end."""

    def forward(self, x: Tensor) -> Tensor:
        left, right = self._around(x.shape[3], 1)
        top, bottom = self._around(x.shape[2], 0)
        if (left, top) == (right, bottom):
            return F.conv2d(x, self.weight, None, self.stride, (top, left), groups=self.groups)
        return F.conv2d(F.pad(x, (left, right, top, bottom)), self.weight, None, self.stride, groups=self.groups)

    def _around(self, size: int, axis: int) -> tuple[int, int]:
        stride = self.stride[axis]
        total = max((-(-size // stride) - 1) * stride + self.kernel_size[axis] - size, 0)
        return total // 2, total - total // 2


class _Unit(nn.Module):
    """Convolution, batch norm, and ReLU6 where it is `active`."""

    def __init__(self, channels: int, out: int, kernel: int, stride: int = 1, groups: int = 1, active: bool = True):
        super().__init__()
        self.conv = _SameConv2d(channels, out, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(out, _EPSILON, momentum=0.01)
        self.active = active

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.norm(self.conv(x))
        return F.relu6(y) if self.active else y


class _Block(nn.Module):
    """Expand, convolve each channel by itself, project; a shortcut where the shapes are the same."""

    def __init__(self, channels: int, out: int, expansion: int, kernel: int, stride: int):
        super().__init__()
        wide = channels * expansion
        self.expand = _Unit(channels, wide, 1) if expansion != 1 else nn.Identity()
        self.depthwise = _Unit(wide, wide, kernel, stride, groups=wide)
        self.project = _Unit(wide, out, 1, active=False)
        self.shortcut = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.project(self.depthwise(self.expand(x)))
        return x + y if self.shortcut else y


def _scaled(filters: int, width_mult: float) -> int:
    """The nearest multiple of 8, but not below 0.9 of what was asked for."""
    wanted = filters * width_mult
    rounded = max(8, int(wanted + 4) // 8 * 8)
    return rounded if rounded >= 0.9 * wanted else rounded + 8


_UNITS = {
    "_conv_stem": "stem.conv",
    "_bn0": "stem.norm",
    "_conv_head": "head.conv",
    "_bn1": "head.norm",
    "_fc": "classifier",
}
_UNITS_OF_A_BLOCK = {
    "_expand_conv": "expand.conv",
    "_bn0": "expand.norm",
    "_depthwise_conv": "depthwise.conv",
    "_bn1": "depthwise.norm",
    "_project_conv": "project.conv",
    "_bn2": "project.norm",
}


def renamed(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Weights by the names of the port `efficientnet-lite-pytorch`, by ours; a name that it does not have stays."""
    return {_our_name(name): tensor for name, tensor in tensors.items()}


def _our_name(name: str) -> str:
    parts = re.fullmatch(r"(?:_blocks\.(\d+)\.)?(_\w+)\.(\w+)", name)
    block, unit, variable = parts.groups() if parts else (None, "", "")
    known = _UNITS if block is None else _UNITS_OF_A_BLOCK
    if unit not in known:
        return name
    return f"{'' if block is None else f'blocks.{block}.'}{known[unit]}.{variable}"
