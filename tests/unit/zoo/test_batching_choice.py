"""Requests run together where the model gains by it, on a clock that the passes move."""

from itertools import count

import numpy as np
import pytest

from services.zoo.agreement import Images
from services.zoo.batching_choice import choose_batching
from services.zoo.manifest import Batching
from services.zoo.model_file import BatchingDeclaration

IMAGE = np.zeros((1, 3, 2, 2), np.float32)


class Passes:
    """Passes that take `base_s` and `picture_s` for each picture."""

    def __init__(self, base_s: float, picture_s: float):
        self.now_s = 0.0
        self._base_s, self._picture_s = base_s, picture_s

    def __call__(self, images: Images) -> Images:
        self.now_s += self._base_s + self._picture_s * len(images)
        return images

    def clock(self) -> float:
        return self.now_s


@pytest.mark.parametrize(("base_s", "picture_s", "largest"), [(0.5, 1.0, 8), (0.1, 1.0, 1), (0.0, 1.0, 1)])
def test_auto_is_on_where_eight_together_are_sooner_than_eight_alone(
    base_s: float, picture_s: float, largest: int
) -> None:
    passes = Passes(base_s, picture_s)
    assert choose_batching("auto", passes, IMAGE, passes.clock).largest == largest


@pytest.mark.parametrize(("base_s", "disturbed", "largest"), [(0.0, (0, 2), 1), (0.9, (1, 3), 8)])
def test_two_passes_that_others_disturb_decide_nothing(base_s: float, disturbed: tuple[int, ...], largest: int) -> None:
    passes = Passes(base_s, 1.0)
    number = count()

    def forward(images: Images) -> Images:
        passes.now_s += 10.0 if next(number) in disturbed else 0.0
        return passes(images)

    assert choose_batching("auto", forward, IMAGE, passes.clock).largest == largest


def test_what_is_declared_is_kept_and_measures_nothing() -> None:
    passes = Passes(1.0, 0.0)
    assert choose_batching(BatchingDeclaration(largest=3), passes, IMAGE, passes.clock) == Batching(3, 2.0)
    assert choose_batching("off", passes, IMAGE, passes.clock) == choose_batching("auto", None, IMAGE) == Batching()
    assert passes.now_s == 0
