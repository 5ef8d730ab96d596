"""Pictures in files."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.edge.errors import ArtifactNotFound
from services.workbench.engine_model import EngineModel
from services.workbench.pictures import DecodedPicture, decode_picture
from services.zoo.picture_files import read_picture_file


def read_picture(path: Path) -> DecodedPicture:
    """Read one picture. Raises ArtifactNotFound, NotAPicture or PictureTooLarge, naming the file."""
    try:
        return decode_picture(read_picture_file(path), str(path))
    except OSError as error:
        raise ArtifactNotFound(f"{path}: {error.strerror or error}") from error


@dataclass(frozen=True)
class PictureFiles:
    """The `Pictures` of some files."""

    paths: Sequence[Path]

    def __len__(self) -> int:
        return len(self.paths)

    def __iter__(self) -> Iterator[DecodedPicture]:
        return map(read_picture, self.paths)


def labels_of(model: EngineModel, paths: Sequence[Path]) -> list[int] | None:
    """Each picture's class by the name of its folder; None unless every folder is named after one of the classes."""
    return model.classes_named([path.absolute().parent.name for path in paths])
