"""Files and folders that are there whole or not at all, whatever ends the process that writes them."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from services.edge.errors import InvalidInput

_MAKING = ".making-"


def check_writable(path: Path) -> None:
    """Raises InvalidInput where a file of that name cannot be written: before the work that would fill it."""
    if path.is_dir():
        raise InvalidInput(f"{path}: cannot be written: it is a folder")
    if not path.parent.is_dir():
        raise InvalidInput(f"{path}: cannot be written: there is no folder {path.parent}")
    if not os.access(path.parent, os.W_OK):
        raise InvalidInput(f"{path}: cannot be written: no permission in {path.parent}")


def write_whole(contents: Mapping[Path, bytes]) -> None:
    """Write all files or none: each beside its place first, and only when all are on the disk into their places.

    Raises:
        OSError: a place cannot be written to; `filename` is the place. What was there before is still there.
    """
    made: dict[Path, Path] = {}
    try:
        for path, data in contents.items():
            with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
                made[path] = Path(file.name)
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
                made[path].chmod(0o644)
        for path, whole in made.items():
            whole.replace(path)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error
    finally:
        for whole in made.values():
            whole.unlink(missing_ok=True)


def make_whole(folder: Path, make: Callable[[Path], None]) -> None:
    """Have an empty folder filled beside its place, and put it there when it is whole.

    What killed processes left unfinished beside it is removed. Where another process put its own there meanwhile, that
    one stays: both have the same content.

    Raises:
        OSError: the place cannot be written to; and what `make` raises, which leaves nothing.
    """
    with _scratch(folder.parent) as scratch:
        made = scratch / folder.name
        made.mkdir()
        make(made)
        try:
            made.rename(folder)
        except OSError:
            if not folder.exists():
                raise


@contextmanager
def _scratch(parent: Path) -> Iterator[Path]:
    """A folder that is locked while this process works in it: the system unlocks it when the process dies."""
    with _locked(parent):  # none is between being made and being locked while the others are looked through
        for left in parent.glob(f"{_MAKING}*"):
            _remove_unlocked(left)
        scratch = Path(tempfile.mkdtemp(dir=parent, prefix=_MAKING))
        held = os.open(scratch, os.O_RDONLY)
        fcntl.flock(held, fcntl.LOCK_EX)
    try:
        yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
        os.close(held)


def _remove_unlocked(scratch: Path) -> None:
    try:
        with _locked(scratch, fcntl.LOCK_NB):
            shutil.rmtree(scratch)
    except OSError:  # in use, or removed by its maker just now
        return


@contextmanager
def _locked(folder: Path, how: int = 0) -> Iterator[None]:
    held = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(held, fcntl.LOCK_EX | how)
        yield
    finally:
        os.close(held)
