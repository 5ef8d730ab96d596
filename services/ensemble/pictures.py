"""Prepare pictures with torchvision, each on one thread: a request's pictures are what runs in parallel."""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image

from services.ensemble.domain import Item
from services.ensemble.preparation import Images
from services.zoo.manifest import PICTURE, SOUND, InputSpec
from services.zoo.preprocessing import decode, preprocess
from services.zoo.sounds import read_sound


def prepare_item(item: Item, specs: Sequence[InputSpec]) -> Iterator[Images]:
    """Decode a picture once and normalise it for each spec, and a sound for each; a `Prepare`."""
    decoded: torch.Tensor | None = None
    for spec in specs:
        if spec.kind == SOUND:
            yield read_sound(spec, bytes(item.sound or b""))
            continue
        decoded = decode(bytes(item.picture or b"")) if decoded is None else decoded
        images: Images = preprocess(decoded, spec).numpy()
        yield images


def preparation_pool(threads: int, specs: Sequence[InputSpec]) -> ThreadPoolExecutor:
    """Make threads that have prepared a picture before: the first call of each operation is slow."""
    pool = ThreadPoolExecutor(threads, "prepare", initializer=torch.set_num_threads, initargs=(1,))
    blank = io.BytesIO()
    Image.new("RGB", (64, 64)).save(blank, "PNG")
    of_pictures = [spec for spec in specs if spec.kind == PICTURE]
    for _ in pool.map(lambda _: list(prepare_item(Item(blank.getvalue()), of_pictures)), range(threads)):
        pass
    return pool
