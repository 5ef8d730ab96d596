"""Models, integers and pictures in files: what is written is whole or not there at all."""

from collections.abc import Mapping
from pathlib import Path

from services.edge.errors import ArtifactNotFound, InvalidInput
from services.edge.whole_files import check_writable, write_whole
from services.workbench.engine_model import EngineModel
from services.workbench.model_codec import decode_model, encode_model
from services.zoo.integer_codec import decode_integers, encode_integers
from services.zoo.integers import Integers
from services.zoo.name_lists import read_names

MODEL_SUFFIX, INTEGER_SUFFIX, PICTURE_SUFFIX, PAGE_SUFFIX = ".strata", ".integers", ".png", ".html"


def read_model(path: Path) -> EngineModel:
    """Read a model. Raises ArtifactNotFound, and what `decode_model` raises."""
    return decode_model(_read(path), str(path))


def read_integers(path: Path, model: EngineModel) -> Integers:
    """Read the integers of a model. Raises ArtifactNotFound, and what `decode_integers` raises."""
    return decode_integers(_read(path), model, str(path))


def write_model(path: Path, model: EngineModel, integers: Integers | None = None) -> None:
    """Write a model, and integers beside it, both or none. Raises InvalidInput as `check_place`."""
    check_place(path, "a model's file", MODEL_SUFFIX)
    contents = {path: encode_model(model)}
    if integers is not None:
        contents[path.with_suffix(INTEGER_SUFFIX)] = encode_integers(model, integers)
    write_files(contents)


def write_integers(path: Path, model: EngineModel, integers: Integers) -> None:
    """Write the integers of a model. Raises InvalidInput as `check_place`."""
    check_place(path, "a file of integers", INTEGER_SUFFIX)
    write_files({path: encode_integers(model, integers)})


def write_picture(path: Path, png: bytes) -> None:
    """Write a drawn picture. Raises InvalidInput as `check_place`."""
    check_place(path, "a drawn picture", PICTURE_SUFFIX)
    write_files({path: png})


def check_page(path: Path) -> None:
    """Raises InvalidInput as `check_place` of a page."""
    check_place(path, "a page", PAGE_SUFFIX)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it. Raises InvalidInput where it cannot be made."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InvalidInput(f"{folder}: cannot be made: {error.strerror or error}") from error


def integer_path(reference: str) -> Path:
    """Where a model's integers are by default: beside its file, or for a model by name in the working directory."""
    beside = Path(reference).with_suffix(INTEGER_SUFFIX)
    return beside if Path(reference).is_file() else Path(f"{reference}{INTEGER_SUFFIX}")


def stored_integers(model: EngineModel, reference: str, given: Path | None) -> Integers | None:
    """The integers of a file, or those at their default place; None where nothing is there and none was given."""
    path = given or integer_path(reference)
    return read_integers(path, model) if given or path.is_file() else None


def read_labels(path: Path, classes: int) -> tuple[str, ...]:
    """The names of so many classes, one a line; empty lines do not count.

    Raises:
        InvalidDeclaration: not to be read, empty, or not UTF-8.
        InvalidInput: another number of names.
    """
    names = read_names(path)
    if len(names) != classes:
        raise InvalidInput(f"{path}: {len(names)} class names, the model has {classes} classes")
    return names


def write_files(contents: Mapping[Path, bytes]) -> None:
    """Write all files or none. Raises InvalidInput where a place cannot be written to."""
    for path in contents:
        check_writable(path)
    try:
        write_whole(contents)
    except OSError as error:
        raise InvalidInput(f"{error.filename}: cannot be written: {error.strerror}") from error


def check_place(path: Path, what: str, suffix: str) -> None:
    """Raises InvalidInput as `check_writable`, and where `what` would take the place of a file of another kind."""
    check_writable(path)
    if path.suffix != suffix:
        raise InvalidInput(f"{path}: expected a name that ends in {suffix} for {what}")


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactNotFound(f"{path}: {error.strerror or error}") from error
