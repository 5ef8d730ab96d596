"""What one pass computes: the outputs of a request, or of several together, or why there are none."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import TypeAlias, TypeVar

import numpy as np

from services.edge.errors import Internal, StrataError
from services.model.domain import Images
from services.model.tensors import Tensor
from services.zoo.chunks import chunk_length
from services.zoo.manifest import Manifest

Batch: TypeAlias = Images | list[bytes]
"""[N, C, H, W], or N encoded pictures."""

Forward: TypeAlias = Callable[[Images], Images]
"""[N, C, H, W] -> [N, K]"""

Outputs: TypeAlias = tuple[Tensor, ...]
"""Of one request: class scores, or of a detector its boxes."""

ReadPicture: TypeAlias = Callable[[bytes], Images]
"""An encoded picture -> [C, H, W], decoded, scaled and normalised."""


Result = TypeVar("Result")


class Computation:
    """Passes of one loaded model."""

    def __init__(self, manifest: Manifest, forward: Forward, read_picture: ReadPicture):
        self._manifest = manifest
        self._forward = forward
        self._read_picture = read_picture

    def run(self, batches: Sequence[Batch]) -> list[Outputs | Exception]:
        """Compute the outputs of each request; a picture that cannot be read fails its own request alone.

        Returns:
            in place of outputs, why there are none: what `ReadPicture` raises, what the engine does, or Internal where
            scores are not finite.
        """
        if len(batches) == 1:
            return [_attempt(lambda: self._outputs(self._scores(batches[0]), batches[0]))]
        found = [_attempt(lambda batch=batch: self._tensor(batch)) for batch in batches]  # type: ignore[misc]
        readable = [each for each in found if not isinstance(each, Exception)]
        if not readable:
            return [each for each in found if isinstance(each, Exception)]
        together = _attempt(lambda: self._scores(np.concatenate(readable)))
        if isinstance(together, Exception):
            return [each if isinstance(each, Exception) else together for each in found]
        scores = iter(np.split(together, np.cumsum([len(each) for each in readable])[:-1]))
        return [
            each if isinstance(each, Exception) else _attempt(lambda batch=batch: self._outputs(next(scores), batch))  # type: ignore[misc]
            for each, batch in zip(found, batches, strict=True)
        ]

    def _scores(self, batch: Batch) -> Images:
        return np.concatenate([self._forward(chunk) for chunk in self._chunks(batch)])

    def _outputs(self, scores: Images, batch: Batch) -> Outputs:
        if not np.isfinite(scores).all():
            raise Internal(f"model '{self._manifest.name}' computed scores that are not finite")
        if self._manifest.detection is None:
            return (Tensor.of(self._manifest.output_name, scores),)
        # Imported here: a classifier's start does not pay for it.
        from services.model.detections import detections

        return detections(self._manifest.detection, self._manifest.input_spec, scores, batch)

    def _tensor(self, batch: Batch) -> Images:
        return np.concatenate(list(self._chunks(batch))) if isinstance(batch, list) else batch

    def _chunks(self, batch: Batch) -> Iterator[Images]:
        step = chunk_length(4 * math.prod(self._manifest.input_shape[1:]))
        for start in range(0, len(batch), step):
            chunk = batch[start : start + step]
            if isinstance(chunk, list):
                yield np.stack([self._read(start + n, picture) for n, picture in enumerate(chunk)])
            else:
                yield chunk

    def _read(self, n: int, picture: bytes) -> Images:
        try:
            return self._read_picture(picture)
        except StrataError as error:
            raise type(error)(f"picture {n}: {error}") from error


def _attempt(compute: Callable[[], Result]) -> Result | Exception:
    try:
        return compute()
    except Exception as error:
        # Whatever it is, the request that it is about is answered with it, on another thread.
        return error
