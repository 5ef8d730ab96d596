"""From an encoded picture to a model's values, to the last bit what `preprocessing` makes, without torch."""

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.zoo.darknet.pictures import letterbox
from services.zoo.decoding import check_resized, decode_picture
from services.zoo.manifest import InputSpec
from services.zoo.resizing import resize

Values: TypeAlias = NDArray[np.float32]


def read_picture(spec: InputSpec, data: bytes) -> Values:
    """Decode, resize the shorter side, cut from the centre, scale to full brightness 1, normalise; or letterbox.

    Returns:
        float32 [3, *spec.size].
    Raises:
        NotAPicture, PictureTooLarge: as `decode_picture` and `check_resized`.
    """
    decoded = np.asarray(decode_picture(data))
    if spec.fit == "letterbox":
        return letterbox(decoded, *spec.size)
    picture = decoded.transpose(2, 0, 1)
    _, height, width = picture.shape
    check_resized(height, width, spec.resize)
    resized = resized_size(height, width, spec.resize)
    (top, above), (left, before) = (centre(had, wanted) for had, wanted in zip(resized, spec.size, strict=True))
    rows = slice(top, min(top + spec.size[0], resized[0]))
    columns = slice(left, min(left + spec.size[1], resized[1]))
    pixels = np.zeros((3, *spec.size), np.uint8)
    part = resize(picture, resized, (rows, columns), spec.interpolation)
    pixels[:, above : above + part.shape[1], before : before + part.shape[2]] = part
    return _normalise(pixels, spec)


def resized_size(height: int, width: int, shorter: int) -> tuple[int, int]:
    """Height and width of a picture once its shorter side is resized."""
    if width <= height:
        return int(shorter * height / width), shorter
    return shorter, int(shorter * width / height)


def centre(had: int, wanted: int) -> tuple[int, int]:
    """Where the cut begins in what there is; and how much of it is black before, where there is too little."""
    if had >= wanted:
        return round((had - wanted) / 2), 0
    return 0, (wanted - had) // 2


def _normalise(pixels: NDArray[np.uint8], spec: InputSpec) -> Values:
    values = pixels.astype(np.float32) * np.float32(1 / 255)
    values -= np.asarray(spec.mean, np.float32)[:, None, None]
    values /= np.asarray(spec.std, np.float32)[:, None, None]
    return values
