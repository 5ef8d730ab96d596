"""Full disks: known by their error, or asked before a library writes that does not say so."""

import errno
import os
import shutil
import tempfile
from pathlib import Path

_FULL = {errno.ENOSPC, errno.EDQUOT}


def is_full(error: OSError) -> bool:
    """True where an error means that a disk, or a user's share of it, is full."""
    return error.errno in _FULL


def require_room(folder: Path, size_bytes: int) -> None:
    """Raise the OSError of a full disk where so much does not fit: for writers that would end the process, or go on."""
    if shutil.disk_usage(folder).free < size_bytes:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(folder))


def try_to_write(folder: Path, size_bytes: int) -> None:
    """Write so much into a folder and remove it again. Raises OSError where it does not fit, or may not be written."""
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(bytes(size_bytes))
        file.flush()
        os.fsync(file.fileno())
