"""How work that takes longer than a moment says where it is."""

from typing import Protocol


class Progress(Protocol):
    """Called at each step of long work."""

    def __call__(self, step: str, done: int = 0, total: int = 0, /) -> None:
        """Say what is being done.

        Args:
            step: what, for people; where it is counted, the same words each time.
            done, total: how many of how many are done, where they are counted.
        """


def no_progress(step: str, done: int = 0, total: int = 0) -> None:
    """Say nothing; a `Progress`."""
