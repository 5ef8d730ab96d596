"""Pictures as values, and as a model takes them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from services.edge.errors import NotAPicture, PictureTooLarge
from services.workbench.augmentation import NAMES, augment
from services.workbench.engine_model import EngineModel
from services.zoo.darknet.pictures import letterbox
from services.zoo.decoding import check_resized
from services.zoo.detection import Size
from services.zoo.preprocessing import decode, preprocess


@dataclass(frozen=True, eq=False)
class DecodedPicture:
    """`pixels` is uint8 [3, H, W]; `source` names it in errors."""

    source: str
    pixels: Tensor

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        _, height, width = self.pixels.shape
        return Size(height, width)


class Pictures(Protocol):
    """So many pictures, decoded one by one, as often as they are iterated over."""

    def __len__(self) -> int: ...

    def __iter__(self) -> Iterator[DecodedPicture]: ...


class EncodedPicture(NamedTuple):
    """A picture's file; `label` is the name of its class, empty where it is not known."""

    name: str
    data: bytes
    label: str = ""


@dataclass(frozen=True)
class EncodedPictures:
    """The `Pictures` of some files' bytes."""

    encoded: Sequence[EncodedPicture]

    def __len__(self) -> int:
        return len(self.encoded)

    def __iter__(self) -> Iterator[DecodedPicture]:
        return (decode_picture(each.data, each.name) for each in self.encoded)


def decode_picture(data: bytes, source: str) -> DecodedPicture:
    """Decode a picture's file. Raises NotAPicture or PictureTooLarge, naming the source."""
    try:
        return DecodedPicture(source, decode(data))
    except (NotAPicture, PictureTooLarge) as error:
        raise type(error)(f"{source}: {error}") from error


def check_input(model: EngineModel, picture: DecodedPicture) -> None:
    """Raises what `as_input` would, and makes nothing of the picture."""
    if model.input_spec is None or model.input_spec.fit == "letterbox":
        return
    try:
        check_resized(*picture.size, model.input_spec.resize)
    except PictureTooLarge as error:
        raise PictureTooLarge(f"{picture.source}: {error}") from error


def as_input(model: EngineModel, picture: DecodedPicture) -> Tensor:
    """float32 [1, 3, H, W] as the model takes it.

    Raises:
        PictureTooLarge: a strip: its shorter side becomes the model's, the other too long.
    """
    check_input(model, picture)
    if model.input_spec is None:
        _, height, width = model.graph.input_shape
        return torch.from_numpy(letterbox(picture.pixels.permute(1, 2, 0).numpy(), height, width))[None]
    return preprocess(picture.pixels, model.input_spec)[None]


AUGMENTED = len(NAMES)
"""How many pictures `augmented` makes of one."""


def augmented(picture: DecodedPicture) -> Iterator[DecodedPicture]:
    """The picture itself, and four made of it."""
    return (DecodedPicture(picture.source, pixels) for pixels in augment(picture.pixels))
