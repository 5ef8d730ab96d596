"""Pictures as Darknet prepares them for a detector, its arithmetic included, so that answers can be compared.

Source: resize_image and letterbox_image of src/image.c, github.com/pjreddie/darknet.
"""

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

_GREY = np.float32(0.5)


def letterbox(picture: NDArray[np.uint8], height: int, width: int) -> Floats:
    """Scale a picture into the middle of a grey frame; its proportions stay.

    Args:
        picture: [H, W, 3], RGB, 0 to 255.
    Returns:
        [3, height, width], RGB, 0 to 1.
    """
    inner_height, inner_width = fitted_size(picture.shape[0], picture.shape[1], height, width)
    planes = np.ascontiguousarray(picture.transpose(2, 0, 1)).astype(np.float32) / np.float32(255)
    framed = np.full((3, height, width), _GREY, np.float32)
    top, left = (height - inner_height) // 2, (width - inner_width) // 2
    framed[:, top : top + inner_height, left : left + inner_width] = resize(planes, inner_height, inner_width)
    return framed


def fitted_size(picture_height: int, picture_width: int, height: int, width: int) -> tuple[int, int]:
    """(height, width) of the picture once it is scaled to fit into height x width; at least one pixel each."""
    if np.float32(width) / np.float32(picture_width) < np.float32(height) / np.float32(picture_height):
        return max(1, picture_height * width // picture_width), width
    return height, max(1, picture_width * height // picture_height)


def resize(planes: Floats, height: int, width: int) -> Floats:
    """Bilinear, corners on corners: [C, H, W] gives [C, height, width]; first along W, then along H, in float32."""
    _, picture_height, picture_width = planes.shape
    columns, right = _positions(picture_width, width)
    narrowed = (1 - right) * planes[:, :, columns]
    neighbours = planes[:, :, np.minimum(columns + 1, picture_width - 1)]
    narrowed += right * neighbours
    narrowed[:, :, -1] = planes[:, :, -1]
    rows, below = _positions(picture_height, height)
    resized: Floats = (1 - below)[:, None] * narrowed[:, rows]
    if picture_height > 1:  # Darknet adds no second row to the last one, however its position was rounded
        resized[:, :-1] += below[:-1, None] * narrowed[:, np.minimum(rows[:-1] + 1, picture_height - 1)]
    return resized


def _positions(old: int, new: int) -> tuple[NDArray[np.intp], Floats]:
    """For each new pixel the old one before it, and how far it lies towards the next, 0 to 1."""
    step = np.float32(old - 1) / np.float32(max(new - 1, 1))
    exact = np.arange(new, dtype=np.float32) * step
    before = exact.astype(np.intp)
    return before, exact - before.astype(np.float32)
