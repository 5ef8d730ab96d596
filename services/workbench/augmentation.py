"""Five pictures out of one, as the paper does: for calibration where pictures are few."""

from collections.abc import Iterator

from torch import Tensor

ROTATION_DEGREES = 10.0
BLUR_KERNEL, BLUR_SIGMA = 5, 1.5
NAMES = ("original", "rotated", "blurred", "flipped", "flopped")


def augment(picture: Tensor) -> Iterator[Tensor]:
    """The picture itself, rotated, blurred, flipped (upside down) and flopped (left to right): those of NAMES.

    Args:
        picture: uint8 [3, H, W].
    Returns:
        five of the same shape; what a rotation uncovers is mid-grey.
    """
    # It takes as long as torch to import, and most processes that can augment pictures never do.
    from torchvision.transforms import InterpolationMode, v2

    yield picture
    yield v2.functional.rotate(picture, ROTATION_DEGREES, InterpolationMode.BILINEAR, fill=[127.0])
    yield v2.functional.gaussian_blur(picture, [BLUR_KERNEL, BLUR_KERNEL], [BLUR_SIGMA, BLUR_SIGMA])
    yield v2.functional.vertical_flip(picture)
    yield v2.functional.horizontal_flip(picture)
