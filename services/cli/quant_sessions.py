"""A session for a verb of `strata quant`: in this process, or at the workbench that `--at` names."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

from PIL import Image

from quant.precision import Mode
from services.cli.quant_begin import err, integers_with_notice, open_with_notice, tell_of_random_weights
from services.edge.errors import ArtifactNotFound
from services.workbench.client import RemoteSession, RemoteWorkbench
from services.workbench.files import MODEL_SUFFIX, integer_path
from services.workbench.picture_files import read_picture
from services.workbench.pictures import EncodedPicture
from services.workbench.session import Session
from services.workbench.session_log import NamedModel


@contextmanager
def open_session(
    at: str | None,
    reference: str,
    picture: Path,
    mode: Mode,
    integers: Path | None,
    weights: str | None,
    size: int | None,
) -> Iterator[Session | RemoteSession]:
    """Open a model with a picture; lines on stderr say what the user should know of it.

    Args:
        at: host:port of a workbench; None opens it here.
        reference, weights, size: see `open_model`.
        integers: a file; by default the one beside the model.
    Raises:
        what opening raises, wherever it is.
    """
    if at is None:
        model, pixels = open_with_notice(reference, weights, size), read_picture(picture)
        yield Session(model, integers_with_notice(model, reference, integers, pixels, mode), mode, pixels)
        return
    stored = stored_bytes(reference, integers)
    with open_there(at, reference, weights, size, stored, encoded_picture(picture), mode) as session:
        yield session


@contextmanager
def open_there(
    at: str,
    reference: str,
    weights: str | None,
    size: int | None,
    integers: bytes | None = None,
    picture: EncodedPicture | None = None,
    mode: Mode = Mode.FLOAT,
) -> Iterator[RemoteSession]:
    """Open a model at a workbench: a file of this machine, which is sent, or a name of the catalog there.

    Args:
        integers: the content of a file.
        picture: plain grey by default, where the model alone is wanted.
    """
    model = model_to_send(reference, weights, size)
    with (
        RemoteWorkbench(at) as workbench,
        workbench.open(model, integers, picture or grey_picture(), mode) as session,
    ):
        tell_of_random_weights(session.model)
        if session.stands.calibrated_on_picture:
            err.print("no integers beside the model: calibrated on this picture, augmented to five")
        if mode is Mode.AUTO and session.stands.auto_warning:
            err.print(f"{session.stands.auto_warning} with `strata quant calibrate --auto`", style="yellow")
        yield session


def model_to_send(reference: str, weights: str | None, size: int | None) -> NamedModel | bytes:
    """What a workbench is asked to open: a file of this machine, or a name of the catalog there."""
    is_file = reference.endswith(MODEL_SUFFIX) or Path(reference).is_file()
    return _read(Path(reference)) if is_file else NamedModel(reference, weights, size)


def stored_bytes(reference: str, given: Path | None) -> bytes | None:
    """The content of an `.integers` file, or of the one at its default place; None where there is none."""
    path = given or integer_path(reference)
    return _read(path) if given or path.is_file() else None


def encoded_picture(path: Path) -> EncodedPicture:
    """A picture's file, labelled with its folder's name. Raises ArtifactNotFound."""
    return EncodedPicture(str(path), _read(path), path.absolute().parent.name)


def grey_picture() -> EncodedPicture:
    """A picture for a session whose model alone is wanted."""
    written = BytesIO()
    Image.new("RGB", (64, 64), "grey").save(written, "png")
    return EncodedPicture("grey", written.getvalue())


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ArtifactNotFound(f"{path}: {error.strerror or error}") from error
