"""When an answer must be out: an instant on a clock, handed on from hop to hop instead of a time that shrinks."""

import asyncio
import math
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Self, TypeAlias, TypeVar

from services.edge.errors import DeadlineExceeded, InvalidInput

Clock: TypeAlias = Callable[[], float]
"""Seconds from any fixed moment, never backwards."""

REQUEST_TIMEOUT = "Request-Timeout"
"""HTTP's header for what gRPC sends as grpc-timeout: how long the caller waits from now, in s, such as 0.5."""

MAX_TIMEOUT_S = 3600.0

Result = TypeVar("Result")


@dataclass(frozen=True)
class Deadline:
    """An instant on a clock. Without one, `Deadline()` never passes.

    Attributes:
        at_s: by `clock`; None is never.
    """

    at_s: float | None = None
    clock: Clock = time.monotonic

    @classmethod
    def after(cls, timeout_s: float | None, clock: Clock = time.monotonic) -> Self:
        """Return the instant that far from now; None is never."""
        return cls(None if timeout_s is None else clock() + timeout_s, clock)

    @property
    def remaining_s(self) -> float | None:
        """The time that is left, at least 0, as timeouts take it: None is for ever."""
        return None if self.at_s is None else max(0.0, self.at_s - self.clock())

    @property
    def passed(self) -> bool:
        """True from the instant on."""
        return self.remaining_s == 0.0

    def passes_within(self, time_s: float) -> bool:
        """Tell whether less than `time_s` is left."""
        remaining_s = self.remaining_s
        return remaining_s is not None and remaining_s <= time_s


def read_request_timeout(header: str | None) -> float | None:
    """Read the header `REQUEST_TIMEOUT`, in s; None where there is none.

    Raises:
        InvalidInput: it is not a number, not above 0, or over an hour.
    """
    if header is None:
        return None
    try:
        timeout_s = float(header)
    except ValueError:
        timeout_s = math.nan
    if not 0 < timeout_s <= MAX_TIMEOUT_S:
        raise InvalidInput(
            f"{REQUEST_TIMEOUT} is '{header[:40]}': it is how long you wait, in seconds, above 0 and at most "
            f"{MAX_TIMEOUT_S:.0f}"
        )
    return timeout_s


async def within(deadline: Deadline, work: Awaitable[Result], what: str) -> Result:
    """Wait for work until the deadline, and cancel it then.

    Args:
        what: was not done by then, as the beginning of a sentence.
    Raises:
        DeadlineExceeded: the deadline passed.
    """
    try:
        async with asyncio.timeout(deadline.remaining_s):
            return await work
    except TimeoutError:
        raise DeadlineExceeded(f"{what} by the deadline that the caller set") from None
