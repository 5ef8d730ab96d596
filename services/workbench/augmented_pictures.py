"""The five pictures that calibrating makes of one, as files for people to look at."""

from typing import NamedTuple

from services.workbench.augmentation import NAMES
from services.workbench.drawing import draw_picture
from services.workbench.pictures import EncodedPicture, augmented, decode_picture


class AugmentedPicture(NamedTuple):
    """One of the five, by its name in `augmentation.NAMES`, as a PNG file."""

    name: str
    png: bytes


def draw_augmented(picture: EncodedPicture, most_side: int = 0) -> list[AugmentedPicture]:
    """Draw the five; none is larger than `most_side` pixels, unless that is 0.

    Raises:
        NotAPicture, PictureTooLarge.
    """
    made = augmented(decode_picture(picture.data, picture.name))
    return [
        AugmentedPicture(name, draw_picture(each.pixels, most_side)) for name, each in zip(NAMES, made, strict=True)
    ]
