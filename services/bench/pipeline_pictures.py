"""Records of synthetic pictures, for measuring pipelines: as large as ImageNet's, and no two in a row alike."""

import io
from collections.abc import AsyncIterator
from functools import cache

import numpy as np
from PIL import Image

from services.artifacts.record import SUFFIX, Picture, write_record
from services.artifacts.store import ObjectStore

IMAGENET = (500, 375)
"""Width and height of most of ImageNet's pictures."""
_DIFFERENT = 8


async def pack_synthetic(
    store: ObjectStore, pictures: int, per_record: int, size: tuple[int, int] = IMAGENET, first: int = 0
) -> None:
    """Write records of `per_record` pictures, the last of what remains; `size` is (width, height), `first` a number."""
    for number, start in enumerate(range(0, pictures, per_record), first):
        count = min(per_record, pictures - start)
        await store.write_stream(f"{number:06}{SUFFIX}", _pieces(count, size))


@cache
def synthetic_pictures(size: tuple[int, int]) -> tuple[bytes, ...]:
    """Make JPEGs of soft shapes under noise, whose sizes are those of photographs."""
    generator = np.random.default_rng(0)
    width, height = size
    made = []
    for _ in range(_DIFFERENT):
        shapes = Image.fromarray(generator.integers(0, 256, (6, 8, 3), dtype=np.uint8)).resize(size)
        noise = generator.normal(0, 12, (height, width, 3))
        pixels = np.clip(np.asarray(shapes, np.float64) + noise, 0, 255).astype(np.uint8)
        buffer = io.BytesIO()
        Image.fromarray(pixels).save(buffer, "JPEG", quality=75)
        made.append(buffer.getvalue())
    return tuple(made)


async def _pieces(count: int, size: tuple[int, int]) -> AsyncIterator[bytes]:
    contents = synthetic_pictures(size)
    pictures = (Picture(f"{number:04}.jpg", contents[number % _DIFFERENT]) for number in range(count))
    for piece in write_record(pictures, count):
        yield piece
