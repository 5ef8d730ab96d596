"""Pictures from files, as a model takes them."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from services.edge.errors import ArtifactNotFound, NotAPicture, PictureTooLarge
from services.workbench.augmentation import augment
from services.workbench.model import Model
from services.zoo.darknet.pictures import letterbox
from services.zoo.preprocessing import decode, preprocess


def labels_of(model: Model, paths: Sequence[Path]) -> list[int] | None:
    """Each picture's class by the name of its folder; None unless every folder is named after one of the classes."""
    known = {name: label for label, name in enumerate(model.labels)}
    folders = [path.absolute().parent.name for path in paths]
    return [known[folder] for folder in folders] if known.keys() >= set(folders) else None


def read_picture(path: Path) -> Tensor:
    """uint8 [3, H, W]. Raises NotAPicture or PictureTooLarge, naming the file; ArtifactNotFound."""
    try:
        return decode(path.read_bytes())
    except OSError as error:
        raise ArtifactNotFound(f"{path}: {error.strerror or error}") from error
    except (NotAPicture, PictureTooLarge) as error:
        raise type(error)(f"{path}: {error}") from error


def as_input(model: Model, picture: Tensor) -> Tensor:
    """float32 [1, 3, H, W] for the model, of a picture uint8 [3, H, W]."""
    if model.input_spec is not None:
        return preprocess(picture, model.input_spec)[None]
    _, height, width = model.graph.input_shape
    return torch.from_numpy(letterbox(picture.permute(1, 2, 0).numpy(), height, width))[None]


def inputs_of(model: Model, paths: Sequence[Path], *, augmented: bool) -> Iterator[Tensor]:
    """One input a picture, or five if augmented, read as they are needed."""
    for path in paths:
        picture = read_picture(path)
        for each in augment(picture) if augmented else (picture,):
            try:
                x = as_input(model, each)
            except PictureTooLarge as error:  # a strip: its shorter side becomes the model's, the other too long
                raise PictureTooLarge(f"{path}: {error}") from error
            yield x
