"""The memory floor: the smallest limit that a stage gets through a record with."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from services.edge.errors import MemoryTooSmall

MIB = 2**20
STEP_BYTES = 8 * MIB
"""Floors are whole steps: what a process holds differs from run to run by about as much."""

_SPARE = 1.1


def with_spare(floor_bytes: int) -> int:
    """What to give a stage: a tenth more than its floor, which was survived for a few records."""
    return round(_SPARE * floor_bytes)


@dataclass(frozen=True)
class Floor:
    """A stage's floor, found in so many trials."""

    size_bytes: int
    trials: int


async def find_floor(
    survives: Callable[[int], Awaitable[bool]], begin_bytes: int, what: str, step_bytes: int = STEP_BYTES
) -> Floor:
    """Find the smallest limit in whole steps that is survived, by bisection; the more memory, the better.

    Args:
        survives: tries a limit in bytes.
        begin_bytes: the limit to try first; where it is not enough, twice and four times as much.
        what: has the floor, for the message.
    Raises:
        MemoryTooSmall: not even that was survived.
    """
    trials = 0

    async def enough(steps: int) -> bool:
        nonlocal trials
        trials += 1
        return await survives(steps * step_bytes)

    too_little = 0  # nothing lives without memory
    most = max(1, -(-begin_bytes // step_bytes))
    for _ in range(2):
        if await enough(most):
            break
        too_little, most = most, 2 * most
    else:
        if not await enough(most):
            raise MemoryTooSmall(f"{what} does not get through a record even with {most * step_bytes // MIB} MiB")
    while most - too_little > 1:
        middle = (most + too_little) // 2
        if await enough(middle):
            most = middle
        else:
            too_little = middle
    return Floor(most * step_bytes, trials)
