"""EfficientNet-B0 (Tan and Le, 2019, table 1) of any width and depth, from torchvision's blocks."""

from functools import partial

from torch import nn
from torchvision.models.efficientnet import EfficientNet, MBConvConfig

# Expansion, kernel, stride, channels in and out, layers.
_STAGES = (
    (1, 3, 1, 32, 16, 1),
    (6, 3, 2, 16, 24, 2),
    (6, 5, 2, 24, 40, 2),
    (6, 3, 2, 40, 80, 3),
    (6, 5, 1, 80, 112, 3),
    (6, 5, 2, 112, 192, 4),
    (6, 3, 1, 192, 320, 1),
)


def efficientnet_b0(
    classes: int = 1000,
    width_mult: float = 1.0,
    depth_mult: float = 1.0,
    dropout: float = 0.2,
    stem_stride: int = 2,
) -> nn.Module:
    """Map [N, 3, H, W] to scores [N, K]; torchvision's own builder fixes multipliers and stride at their defaults."""
    stage = partial(MBConvConfig, width_mult=width_mult, depth_mult=depth_mult)
    module = EfficientNet([stage(*each) for each in _STAGES], dropout, num_classes=classes)
    module.features[0][0].stride = (stem_stride, stem_stride)
    narrow: nn.Module = module
    return narrow
