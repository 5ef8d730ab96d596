"""From an encoded picture to its pixels: the one place where pictures are decoded. Imports no torch."""

import io
import warnings

import numpy as np
from PIL import ExifTags, Image, ImageOps, UnidentifiedImageError

from services.edge.errors import NotAPicture, PictureTooLarge

MAX_PIXELS = 50_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")
_BEGINNINGS = {b"\xff\xd8\xff": "JPEG", b"\x89PNG": "PNG", b"RIFF": "WEBP", b"GIF8": "GIF"}
"""Of files that say by them what they are; BMP's two letters begin much else."""
_ON_ITS_SIDE = (5, 6, 7, 8)
"""EXIF's orientations that swap height and width."""

# For the whole process: `warnings.catch_warnings` is not for threads, which decode side by side.
Image.MAX_IMAGE_PIXELS = None  # our own limit is lower, and held before anything is decoded
warnings.filterwarnings("ignore", module=r"PIL\.")  # of EXIF data that cannot be read; the picture itself may be whole


def decode_picture(data: bytes, max_pixels: int = MAX_PIXELS) -> Image.Image:
    """Decode the first frame of a picture.

    Returns:
        RGB, upright as its EXIF orientation says; grey and palette pictures are converted, transparency is dropped.
    Raises:
        NotAPicture: not one of JPEG, PNG, WebP, BMP, GIF; or cut short, or broken.
        PictureTooLarge: H x W is over `max_pixels`; found in the header, nothing of it is decoded.
    """
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        width, height = picture.size
        if width * height > max_pixels:
            raise PictureTooLarge(f"{width} x {height} pixels, the limit is {max_pixels / 1e6:g} million")
        decoded = _to_rgb(_upright(picture))
    except PictureTooLarge:
        raise
    except UnidentifiedImageError as error:
        raise NotAPicture(_why_unknown(data)) from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise NotAPicture(f"a broken {_form_of(data) or 'picture'}: {error}") from error
    return decoded


def upright_size(data: bytes) -> tuple[int, int]:
    """(height, width) that `decode_picture` would give a picture that it can decode; nothing of it is decoded."""
    picture = Image.open(io.BytesIO(data), formats=_FORMATS)
    width, height = picture.size
    try:
        turned = picture.getexif().get(ExifTags.Base.Orientation) in _ON_ITS_SIDE
    except Exception:  # as in `_upright`
        turned = False
    return (width, height) if turned else (height, width)


def _form_of(data: bytes) -> str | None:
    """What a file's beginning says it is."""
    form = next((form for beginning, form in _BEGINNINGS.items() if data.startswith(beginning)), None)
    return None if form == "WEBP" and data[8:12] != b"WEBP" else form


def _why_unknown(data: bytes) -> str:
    form = _form_of(data)
    if form is None:
        start = data[:8].hex(" ") or "nothing"
        return f"not one of {', '.join(_FORMATS)}: {len(data)} bytes that begin with {start}"
    try:
        Image.OPEN[form][0](io.BytesIO(data), "")
    except Exception as error:
        # What Pillow's reader of this format stumbled over, which `Image.open` does not say.
        return f"a broken {form}: {error}"
    return f"a broken {form}"


def _to_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode.startswith("I"):
        # Pillow keeps the 16 bits of grey PNGs and, asked for RGB, cuts every value at 255 instead of scaling it.
        grey = np.asarray(picture, np.int32) >> 8
        return Image.fromarray(grey.astype(np.uint8)).convert("RGB")
    return picture.convert("RGB")


def _upright(picture: Image.Image) -> Image.Image:
    try:
        return ImageOps.exif_transpose(picture)
    except Exception:
        # Malformed EXIF data ends in whatever its parser stumbled over; the picture itself is whole.
        return picture


def check_resized(height: int, width: int, shorter: int) -> None:
    """Refuse a picture that would have more than `MAX_PIXELS` once its shorter side is resized. Raises PictureTooLarge.

    A line of 1 x 65535 pixels would become one of 224 x 14 680 000: 10 GB from a file of some hundred bytes.
    """
    scale = shorter / min(height, width)
    resized_height, resized_width = int(height * scale), int(width * scale)
    if resized_height * resized_width > MAX_PIXELS:
        raise PictureTooLarge(
            f"{width} x {height} pixels become {resized_width} x {resized_height} where the shorter side is "
            f"{shorter}, the limit is {MAX_PIXELS / 1e6:g} million"
        )
