"""What a service of a compiled model or stage loads: its engine, and what decodes pictures for it."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import InvalidWeights, Unsupported
from services.zoo.manifest import SOUND, InputSpec

Values: TypeAlias = NDArray[np.float32]
Forward: TypeAlias = Callable[[Values], Values]
"""[N, ...] -> [N, ...]"""


def import_engine(runtime: str, folder: Path) -> ModuleType:
    """Import what runs a forward pass; raises Unsupported where the runtime is not installed here."""
    try:
        return import_module(f"services.zoo.runtimes.{runtime}")
    except ModuleNotFoundError as error:
        raise Unsupported(f"{folder}: runtime '{runtime}' is not installed here: {error}") from error


def load_forward(runtime: str, folder: Path, threads: int) -> Forward:
    """Load what was compiled into a folder.

    Raises:
        Unsupported: the runtime is not installed here.
        InvalidWeights: the files are not a program for it.
    """
    engine = import_engine(runtime, folder)
    try:
        forward: Forward = engine.load(folder, threads)
    except Exception as error:
        # Each engine raises its own kinds; all mean that these files are not a program for it.
        raise InvalidWeights(f"{folder}: runtime '{runtime}' cannot load it, compile it anew: {error}") from error
    return forward


def read_picture(spec: InputSpec, data: bytes) -> Values:
    """Decode a picture, or a sound, into [C, H, W], without torch. Raises NotAPicture, PictureTooLarge, NotASound."""
    if spec.kind == SOUND:
        from services.zoo.sounds import read_sound

        return read_sound(spec, data)
    # Imported at the first encoded picture: tensors need no Pillow.
    from services.zoo.lean_preprocessing import read_picture as read

    return read(spec, data)
