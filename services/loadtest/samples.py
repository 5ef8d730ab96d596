"""What became of one request."""

from dataclasses import dataclass
from enum import StrEnum


class Outcome(StrEnum):
    """How a request ended, each counted apart.

    `refused`: the target said that it has no room. `expired`: it, or the asker's patience, said that time was up.
    `failed`: any other error. `wrong`: what came is not an answer: see `answers`.
    """

    ANSWERED = "answered"
    REFUSED = "refused"
    EXPIRED = "expired"
    FAILED = "failed"
    WRONG = "wrong"


@dataclass(frozen=True, slots=True)
class Ended:
    """How a request ended, and what an answer said.

    Attributes:
        reason: why it is not an answer; empty for one.
        complete: every member answered.
        right: whether each labelled picture was classified rightly, by its number.
        money: by the receipt; None where there is none.
    """

    outcome: Outcome
    reason: str = ""
    complete: bool = False
    right: tuple[tuple[int, bool], ...] = ()
    money: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One request: when it was due, sent and ended, in s from the start of the run."""

    due_s: float
    sent_s: float
    done_s: float
    ended: Ended

    @property
    def latency_ms(self) -> float:
        """From when it was due: what the asker waits for, however late it was sent."""
        return 1e3 * (self.done_s - self.due_s)

    @property
    def lag_ms(self) -> float:
        """How late the generator sent it."""
        return 1e3 * (self.sent_s - self.due_s)

    @property
    def answered(self) -> bool:
        """It has an answer that is one."""
        return self.ended.outcome is Outcome.ANSWERED
