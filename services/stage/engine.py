"""Compute one micro-batch."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from services.artifacts.activation import PictureState
from services.artifacts.precision import Values
from services.artifacts.record import Picture
from services.edge.errors import Internal, NotAPicture, PictureTooLarge
from services.zoo.serving import Forward
from services.zoo.stage_manifest import StageManifest

ReadPicture: TypeAlias = Callable[[bytes], Values]
"""An encoded picture -> [C, H, W]."""


@dataclass(frozen=True)
class StageEngine:
    """A loaded stage. It is called from several threads at a time."""

    manifest: StageManifest
    forward: Forward
    read_picture: ReadPicture

    def compute(self, batch: list[Picture] | Values) -> tuple[Values | None, list[PictureState]]:
        """Compute encoded pictures, or the values of the stage before.

        Returns:
            [N, ...], None where there is nothing to compute; and of encoded pictures each one's state: one that cannot
            be decoded has no values and says why.
        Raises:
            Internal: the model computed scores that are not finite.
        """
        if not isinstance(batch, list):
            return self._checked(self.forward(batch)), []
        # Each picture's values go straight to their place: a list of them, stacked, would be there twice.
        values = np.empty((len(batch), *self.manifest.input_shape), np.float32)
        decoded, states = 0, []
        for picture in batch:
            try:
                values[decoded] = self.read_picture(picture.content)
                states.append(PictureState(picture.name))
                decoded += 1
            except (NotAPicture, PictureTooLarge) as error:
                states.append(PictureState(picture.name, str(error)))
        return (self._checked(self.forward(values[:decoded])) if decoded else None), states

    def infer(self, values: Values, micro_batch: int) -> tuple[Values, float]:
        """Compute values [N, ...], `micro_batch` pictures at a time; return them and the time it took, in ms.

        Raises:
            Internal: the model computed scores that are not finite.
        """
        began_s = time.perf_counter()
        parts = [self.forward(values[start : start + micro_batch]) for start in range(0, len(values), micro_batch)]
        return self._checked(np.concatenate(parts)), 1e3 * (time.perf_counter() - began_s)

    def _checked(self, values: Values) -> Values:
        if self.manifest.is_last and not np.isfinite(values).all():
            raise Internal(f"model '{self.manifest.model}' computed scores that are not finite")
        return values
