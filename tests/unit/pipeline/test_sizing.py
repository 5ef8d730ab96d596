"""The floor is the smallest whole step that is survived, found in few trials; nothing survived is an error."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.edge.errors import MemoryTooSmall
from services.pipeline.sizing import STEP_BYTES, find_floor, with_spare

SIZES = st.integers(1, 64 * STEP_BYTES)


@given(needed_bytes=SIZES, begin_bytes=SIZES)
async def test_the_floor_is_the_smallest_step_that_is_survived(needed_bytes: int, begin_bytes: int) -> None:
    tried = []

    async def survives(limit_bytes: int) -> bool:
        tried.append(limit_bytes)
        return limit_bytes >= needed_bytes

    steps = math.ceil(begin_bytes / STEP_BYTES)
    if needed_bytes > 4 * steps * STEP_BYTES:
        with pytest.raises(MemoryTooSmall, match="stage fc does not get through a record even with"):
            await find_floor(survives, begin_bytes, "stage fc")
        return
    floor = await find_floor(survives, begin_bytes, "stage fc")
    assert floor.size_bytes == math.ceil(needed_bytes / STEP_BYTES) * STEP_BYTES
    assert floor.trials == len(tried) <= 3 + math.ceil(math.log2(4 * steps))
    assert len(set(tried)) == len(tried)


def test_a_stage_is_given_a_tenth_more_than_its_floor() -> None:
    assert with_spare(200 * STEP_BYTES) == 220 * STEP_BYTES
