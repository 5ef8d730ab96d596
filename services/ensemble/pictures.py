"""Prepare pictures with torchvision, each on one thread: a request's pictures are what runs in parallel."""

import io
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor

import torch
from PIL import Image

from services.ensemble.preparation import Images
from services.zoo.manifest import InputSpec
from services.zoo.preprocessing import decode, preprocess


def prepare_picture(picture: bytes, specs: Sequence[InputSpec]) -> Iterator[Images]:
    """Decode once and normalise for each spec; a `Prepare`."""
    decoded = decode(picture)
    for spec in specs:
        images: Images = preprocess(decoded, spec).numpy()
        yield images


def preparation_pool(threads: int, specs: Sequence[InputSpec]) -> ThreadPoolExecutor:
    """Make threads that have prepared a picture before: the first call of each operation is slow."""
    pool = ThreadPoolExecutor(threads, "prepare", initializer=torch.set_num_threads, initargs=(1,))
    blank = io.BytesIO()
    Image.new("RGB", (64, 64)).save(blank, "PNG")
    for _ in pool.map(lambda _: list(prepare_picture(blank.getvalue(), specs)), range(threads)):
        pass
    return pool
