"""From an encoded picture to a model's tensor, as torchvision does it on a processor with AVX2, with torch alone.

Torchvision is not imported: it loads torch's compiler, which takes a process as long again as torch to start.
`lean_preprocessing` does the same in numpy.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from services.zoo.darknet.pictures import letterbox
from services.zoo.decoding import MAX_PIXELS, check_resized, decode_picture
from services.zoo.lean_preprocessing import centre, resized_size
from services.zoo.manifest import InputSpec
from services.zoo.resizing import resize


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Decode the first frame into uint8 [3, H, W], RGB. Raises NotAPicture, PictureTooLarge: as `decode_picture`."""
    return torch.from_numpy(np.array(decode_picture(data, max_pixels))).permute(2, 0, 1)


def preprocess(picture: Tensor, spec: InputSpec) -> Tensor:
    """Resize the shorter side, cut from the centre, scale to full brightness 1, normalise; or letterbox.

    Args:
        picture: uint8 [3, H, W], RGB.
    Returns:
        float32 [3, *spec.size].
    Raises:
        PictureTooLarge: so narrow that, resized, it would have more than `MAX_PIXELS`; nothing of it was resized.
    """
    if spec.fit == "letterbox":
        return torch.from_numpy(letterbox(picture.permute(1, 2, 0).numpy(), *spec.size))
    height, width = picture.shape[-2:]
    check_resized(height, width, spec.resize)
    resized = _resize(picture, resized_size(height, width, spec.resize), spec.interpolation)
    values = _cut(resized, spec.size).to(torch.float32).mul_(1 / 255)
    mean, std = (torch.tensor(each, dtype=torch.float32)[:, None, None] for each in (spec.mean, spec.std))
    return values.sub_(mean).div_(std)


def _resize(picture: Tensor, size: tuple[int, int], interpolation: str) -> Tensor:
    _, height, width = picture.shape
    if (height, width) == size:
        return picture
    if interpolation == "bilinear" and torch.backends.cpu.get_cpu_capability() not in ("AVX2", "AVX512"):
        # Here torch resizes no bytes, and floats would round otherwise than bytes do on other processors.
        whole = slice(0, size[0]), slice(0, size[1])
        return torch.from_numpy(resize(picture.numpy(), size, whole, interpolation))
    # Channels last, as decoding leaves them, and by strides that cannot be taken for another order, as where W is 1.
    pixels = picture.permute(1, 2, 0).contiguous()
    batch = pixels.as_strided((1, 3, height, width), (3 * height * width, 1, 3 * width, 3))
    if interpolation == "nearest":
        return F.interpolate(batch, list(size), mode=interpolation)[0]
    return F.interpolate(batch, list(size), mode=interpolation, align_corners=False, antialias=True)[0]


def _cut(picture: Tensor, size: tuple[int, int]) -> Tensor:
    """From the centre; where there is too little, black is added around."""
    height, width = size
    (top, above), (left, before) = (centre(had, want) for had, want in zip(picture.shape[-2:], size, strict=True))
    part = picture[:, top : top + height, left : left + width]
    below, after = height - above - part.shape[1], width - before - part.shape[2]
    return F.pad(part, (before, after, above, below))
