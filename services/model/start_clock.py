"""What a process did since it began, phase by phase: where a cold start's time goes."""

from collections.abc import Callable


class StartClock:
    """Phases that follow each other; each ends where it is marked."""

    def __init__(self, began_s: float, clock: Callable[[], float]):
        """Begin with the process.

        Args:
            began_s: when that was, on `clock`.
        """
        self._last_s = began_s
        self._clock = clock
        self.phases_ms: dict[str, float] = {}

    def mark(self, phase: str) -> None:
        """Say that a phase has ended, and the next one begins."""
        now_s = self._clock()
        self.phases_ms[phase] = 1e3 * (now_s - self._last_s)
        self._last_s = now_s
