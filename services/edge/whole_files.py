"""Files that are there whole or not at all, whatever ends the process that writes them."""

import os
import tempfile
from collections.abc import Mapping
from pathlib import Path


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
