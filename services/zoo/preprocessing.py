"""From an encoded picture to a model's tensor: the one place where pictures are decoded and normalised."""

import io
import warnings

import numpy as np
import torch
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from services.edge.errors import NotAPicture, PictureTooLarge
from services.zoo.manifest import InputSpec

MAX_PIXELS = 50_000_000
_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF")

# For the whole process: `warnings.catch_warnings` is not for threads, which decode side by side.
Image.MAX_IMAGE_PIXELS = None  # our own limit is lower, and held before anything is decoded
warnings.filterwarnings("ignore", module=r"PIL\.")  # of EXIF data that cannot be read; the picture itself may be whole


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Decode the first frame of a picture.

    Returns:
        uint8 [3, H, W], RGB, upright as its EXIF orientation says; grey and palette pictures are converted,
        transparency is dropped.
    Raises:
        NotAPicture: not one of JPEG, PNG, WebP, BMP, GIF; or cut short, or broken.
        PictureTooLarge: H x W is over `max_pixels`; found in the header, nothing of it is decoded.
    """
    try:
        picture = Image.open(io.BytesIO(data), formats=_FORMATS)
        width, height = picture.size
        if width * height > max_pixels:
            raise PictureTooLarge(f"{width} x {height} pixels, the limit is {max_pixels / 1e6:g} million")
        decoded: Tensor = v2.functional.pil_to_tensor(_upright(_to_rgb(picture)))
    except PictureTooLarge:
        raise
    except UnidentifiedImageError as error:
        start = data[:8].hex(" ") or "nothing"
        raise NotAPicture(f"not one of {', '.join(_FORMATS)}: {len(data)} bytes that begin with {start}") from error
    except (OSError, ValueError, SyntaxError, EOFError) as error:
        raise NotAPicture(f"a broken picture: {error}") from error
    return decoded


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
        # EXIF data that is none ends in whatever its parser stumbled over; the picture itself is whole.
        return picture


def preprocess(picture: Tensor, spec: InputSpec) -> Tensor:
    """Resize the shorter side, cut from the centre, scale to full brightness 1, normalise.

    Args:
        picture: uint8 [3, H, W], RGB.
    Returns:
        float32 [3, *spec.size].
    Raises:
        PictureTooLarge: so narrow that, resized, it would have more than `MAX_PIXELS`; nothing of it was resized.
    """
    height, width = picture.shape[-2:]
    _check_resized(height, width, spec.resize)
    transforms = v2.Compose(
        [
            v2.Resize(spec.resize, interpolation=InterpolationMode(spec.interpolation), antialias=True),
            v2.CenterCrop(spec.size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(spec.mean, spec.std),
        ]
    )
    tensor: Tensor = transforms(picture)
    return tensor


def _check_resized(height: int, width: int, shorter: int) -> None:
    """A line of 1 x 65535 pixels would become one of 224 x 14 680 000: 10 GB from a file of some hundred bytes."""
    scale = shorter / min(height, width)
    resized_height, resized_width = int(height * scale), int(width * scale)
    if resized_height * resized_width > MAX_PIXELS:
        raise PictureTooLarge(
            f"{width} x {height} pixels become {resized_width} x {resized_height} where the shorter side is "
            f"{shorter}, the limit is {MAX_PIXELS / 1e6:g} million"
        )
