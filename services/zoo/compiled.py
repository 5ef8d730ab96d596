"""Compiled models and stages in the cache, each in a folder named after everything that went into it.

A change of file, weights or versions makes another one. Without torch: what is compiled already is found by this alone.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from importlib.metadata import version
from pathlib import Path

from services.edge.disk_room import is_full
from services.edge.errors import Unavailable
from services.edge.whole_files import make_whole
from services.zoo.model_file import ModelFile
from services.zoo.picture_files import find_pictures, read_picture_file
from services.zoo.weight_references import FetchedWeights, fetch_weights

_PACKAGES = ("strata", "torch", "torchvision", "onnxruntime", "openvino")


def digest_of(model_file: ModelFile, weights: FetchedWeights, runtime: str) -> str:
    """Name all that goes into a compiled model."""
    content = model_file.model_dump(mode="json", exclude={"folder", "labels", "stages"})
    content["labels"] = model_file.label_names()
    content["weights"] = weights.digest
    if reference := model_file.cfg_reference:
        content["cfg"] = fetch_weights(reference, model_file.folder).digest
    content["integers"] = list(_integer_digests(model_file))
    content["compiled"] = [runtime, *(f"{name} {version(name)}" for name in _PACKAGES)]
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _integer_digests(model_file: ModelFile) -> Iterator[str]:
    """Of the file of integers, or of each picture that they are to be made from."""
    if reference := model_file.integer_reference:
        yield fetch_weights(reference, model_file.folder).digest
    if folder := model_file.calibration_folder:
        for path in find_pictures([folder]):
            yield hashlib.sha256(read_picture_file(path)).hexdigest()


def made_once(folder: Path, make: Callable[[Path], None]) -> Path:
    """Find a folder of the cache, or have it made beside and put in its place whole; return it.

    Args:
        make: fills an empty folder.
    Raises:
        Unavailable: the cache cannot be written, or its disk is full; and what `make` raises, which leaves nothing.
    """
    if folder.exists():
        return folder
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _cannot_keep(folder.parent, error) from error
    try:
        make_whole(folder, make)
    except OSError as error:
        if is_full(error):
            raise _cannot_keep(folder.parent, error) from error
        raise
    return folder


def _cannot_keep(cache: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{cache}: cannot keep compiled models here: {error.strerror or error}; STRATA_CACHE names another folder"
    )
