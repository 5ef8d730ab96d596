"""Values within a limit: what has not been used for longest goes first."""

import torch

from quant.affine import QParams, Quantised
from quant.value_cache import ValueCache

ITEM_BYTES = 4 * 10


def test_what_was_not_used_for_longest_is_dropped() -> None:
    cache = ValueCache(2 * ITEM_BYTES)
    for name in ("a", "b"):
        cache.put((name, 0), torch.zeros(10))
    assert cache.get(("a", 0)) is not None
    cache.put(("c", 0), torch.zeros(10))
    assert [cache.get((name, 0)) is None for name in ("a", "b", "c")] == [False, True, False]
    assert cache.size_bytes == 2 * ITEM_BYTES


def test_a_value_larger_than_the_limit_is_kept_alone() -> None:
    cache = ValueCache(ITEM_BYTES)
    cache.put(("a", 0), torch.zeros(10))
    cache.put(("a", 1), torch.zeros(100))
    assert cache.get(("a", 0)) is None
    assert cache.get(("a", 1)) is not None
    assert cache.size_bytes == 10 * ITEM_BYTES


def test_codes_take_a_byte_each() -> None:
    cache = ValueCache(ITEM_BYTES)
    cache.put(("a", 0), Quantised(torch.zeros(10, dtype=torch.uint8), QParams(1.0, 0)))
    assert cache.size_bytes == 10
