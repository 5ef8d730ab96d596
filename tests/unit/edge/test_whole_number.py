"""Whole numbers as people type them."""

import numpy as np
import pytest
import torch

from services.edge.errors import InvalidInput
from services.edge.whole_number import LARGEST_SEED, read_whole_number


def test_the_largest_seed_is_one_for_torch_and_for_numpy() -> None:
    seed = read_whole_number(str(LARGEST_SEED))
    torch.Generator().manual_seed(seed)
    np.random.default_rng(seed)


@pytest.mark.parametrize("text", ["", "-1", "1.0", "1e3", "²", "٣", " 1", "1_0", "101", "9" * 5000])
def test_anything_but_digits_up_to_the_largest_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="whole number from 0 to 100"):
        read_whole_number(text, 100)
