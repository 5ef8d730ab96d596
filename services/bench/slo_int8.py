"""What a member is worth in integers, beside the same in its fastest float runtime: speed, bytes, accuracy."""

import os
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import TypeAlias

import numpy as np
import torch

from services.bench.ensemble import EXAMPLES
from services.bench.quant_served import both_precisions
from services.bench.quant_speed import block
from services.bench.quant_subject import prepare
from services.bench.rounds import Spread, interleave, ratio, with_spread
from services.edge.progress import Progress
from services.zoo.cache_folder import default_cache
from services.zoo.catalog import Catalog
from services.zoo.manifest import Manifest
from services.zoo.model_compile import compile_model
from services.zoo.model_file import ModelFile
from services.zoo.picture_files import find_pictures, read_picture_file
from services.zoo.serving import load_forward, read_picture

Figures: TypeAlias = dict[str, float]

_MODEL = "resnet-50"
_FASHION = EXAMPLES / "fashion"
_MEMBERS = ("fashion-efficientnet-b0", "fashion-mobilenet-v2", "fashion-nasnet-a-mobile")


def int8_member(pictures: Path | None, rounds: int, progress: Progress) -> Iterator[Figures]:
    """Compile each in float and in int8 as a model file declares it, and compare on one thread, batch 1.

    Args:
        pictures: held out, a folder per class; without it no accuracy.
    """
    torch.set_num_threads(1)
    cache = default_cache(os.environ)
    cache.mkdir(parents=True, exist_ok=True)
    progress(f"int8_member: calibrating {_MODEL}, where its scales are not kept from a run before")
    folders = both_precisions(prepare(_MODEL, cache=cache), cache, progress)
    progress(f"int8_member: timing {_MODEL}")
    yield {
        **with_spread("int8_member.speedup", _speedup(folders, rounds)),
        "int8_member.bytes": bytes_share(folders),
    }
    catalog = Catalog([_FASHION / "models"])
    drops = []
    for name in _MEMBERS:
        progress(f"int8_member: {name}")
        in_float = catalog.model(name)
        in_int8 = ModelFile.model_validate(
            {**in_float.model_dump(), "precision": "int8", "calibration": str(_FASHION / "pictures")}
        )
        folders = {
            key: compile_model(each, cache, report=progress) for key, each in (("float", in_float), ("int8", in_int8))
        }
        yield {
            f"int8_member.speedup.{name}": _speedup(folders, rounds).median,
            f"int8_member.bytes.{name}": bytes_share(folders),
        }
        if pictures:
            accuracies = {key: accuracy(folder, in_float, pictures) for key, folder in folders.items()}
            drops.append(100 * (accuracies["float"] - accuracies["int8"]))
            yield {f"int8_member.accuracy_drop.{name}": drops[-1], f"int8_member.accuracy.{name}": accuracies["int8"]}
    if drops:
        yield {"int8_member.accuracy_drop": max(drops)}


def _speedup(folders: Mapping[str, Path], rounds: int) -> Spread:
    image = np.random.default_rng(0).standard_normal((1, *Manifest.read(folders["float"]).input_shape[1:]), np.float32)
    forwards = {key: load_forward(Manifest.read(folder).runtime, folder, 1) for key, folder in folders.items()}
    times_ms = interleave({key: block(partial(forward, image)) for key, forward in forwards.items()}, rounds)
    return ratio(times_ms["float"], times_ms["int8"])


def bytes_share(folders: Mapping[str, Path]) -> float:
    """What the int8 program takes on the disk, over the float one; what a runtime keeps beside its program too."""
    size = {key: sum(path.stat().st_size for path in folder.iterdir()) for key, folder in folders.items()}
    return size["int8"] / size["float"]


def accuracy(folder: Path, model: ModelFile, pictures: Path) -> float:
    """The share of pictures that a compiled model is right about; `pictures` has a folder for each of its labels."""
    manifest = Manifest.read(folder)
    forward = load_forward(manifest.runtime, folder, 1)
    labels = model.label_names()
    right = total = 0
    for truth, label in enumerate(labels):
        for path in find_pictures([pictures / label]):
            scores = forward(read_picture(manifest.input_spec, read_picture_file(path))[None])
            right += int(scores.argmax()) == truth
            total += 1
    return right / total
