"""From an encoded picture to a model's tensor, as torchvision does it. `lean_preprocessing` does the same in numpy."""

import torch
from torch import Tensor
from torchvision.transforms import InterpolationMode, v2

from services.zoo.darknet.pictures import letterbox
from services.zoo.decoding import MAX_PIXELS, check_resized, decode_picture
from services.zoo.manifest import InputSpec


def decode(data: bytes, max_pixels: int = MAX_PIXELS) -> Tensor:
    """Decode the first frame into uint8 [3, H, W], RGB. Raises NotAPicture, PictureTooLarge: as `decode_picture`."""
    decoded: Tensor = v2.functional.pil_to_tensor(decode_picture(data, max_pixels))
    return decoded


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
