"""A network of three convolutions as a model file: it is exported and compiled in a moment, and can be cut."""

from collections import OrderedDict
from pathlib import Path

import numpy as np
import torch
from torch import nn

from services.zoo.writers import export, write_torch

SIZE = 64


def write_tiny(folder: Path, *names: str, channels: int = 32, more: str = "") -> None:
    """Write `tiny.pt2`, [N, 3, 64, 64] to [N, 10], and a model file of it by each name, with `more` declared."""
    layers: dict[str, nn.Module] = {
        "stem": nn.Conv2d(3, channels, 3, padding=1),
        "stem_relu": nn.ReLU(),
        "middle": nn.Conv2d(channels, channels, 3, stride=2, padding=1),
        "middle_relu": nn.ReLU(),
        "last": nn.Conv2d(channels, 16, 3, stride=2, padding=1),
        "pool": nn.AdaptiveAvgPool2d(1),
        "flat": nn.Flatten(),
        "scores": nn.Linear(16, 10),
    }
    generator = torch.Generator().manual_seed(0)
    network = nn.Sequential(OrderedDict(layers))
    for parameter in network.parameters():
        nn.init.normal_(parameter, std=0.2, generator=generator)
    write_torch(export(network.eval(), np.zeros((2, 3, SIZE, SIZE), np.float32)), folder / "tiny.pt2")
    for name in names:
        (folder / f"{name}.yaml").write_text(
            f"name: {name}\nweights: file://tiny.pt2\ninput: {{size: [{SIZE}, {SIZE}]}}\n{more}"
        )
