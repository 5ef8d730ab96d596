"""When an answer must be out: an instant on a clock, handed on from hop to hop instead of a time that shrinks."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, TypeAlias

Clock: TypeAlias = Callable[[], float]
"""Seconds from any fixed moment, never backwards."""


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
