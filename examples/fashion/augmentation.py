"""Random changes to training pictures that leave what they show the same."""

import torch
import torch.nn.functional as F
from torch import Generator, Tensor


def flip_and_shift(grey: Tensor, pixels: int, generator: Generator) -> Tensor:
    """Mirror every other picture, more or less, and move each by up to `pixels` in both directions.

    Args:
        grey: uint8 [N, 1, H, W].
    """
    N, _, H, W = grey.shape
    padded = F.pad(grey, (pixels, pixels, pixels, pixels))
    rows = torch.randint(2 * pixels + 1, (N, 1), generator=generator) + torch.arange(H)
    columns = torch.randint(2 * pixels + 1, (N, 1), generator=generator) + torch.arange(W)
    mirrored = torch.rand(N, 1, generator=generator) < 0.5
    columns = torch.where(mirrored, columns.flip(1), columns)
    return padded[torch.arange(N)[:, None, None], 0, rows[:, :, None], columns[:, None, :]][:, None]


def erase(grey: Tensor, share: float, generator: Generator) -> Tensor:
    """Blacken one square of a quarter to half the height in a `share` of the pictures (Zhong et al. 2017).

    Args:
        grey: uint8 [N, 1, H, W].
    """
    N, _, H, W = grey.shape
    side = torch.randint(H // 4, H // 2 + 1, (N, 1), generator=generator)
    side = torch.where(torch.rand(N, 1, generator=generator) < share, side, 0)
    top, left = (torch.randint(size, (N, 1), generator=generator) - side // 2 for size in (H, W))
    in_rows = (torch.arange(H) >= top) & (torch.arange(H) < top + side)
    in_columns = (torch.arange(W) >= left) & (torch.arange(W) < left + side)
    return grey.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0)
