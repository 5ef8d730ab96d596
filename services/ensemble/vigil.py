"""Whether the graph still answers: what readiness and liveness say, from checks made one after the other."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from services.edge.deadline import Clock

INTERVAL_S = 2.0
_UNREADY_AFTER_CHECKS = 2
"""One check may be late where everything is; two in a row are not an accident."""
_LOST_AFTER_S = 60.0
"""A replica that died is another one by then; what is not back cannot come back while this process lives."""

_log = logging.getLogger(__name__)


class Vigil:
    """What checks so far say of a graph that answered when this began."""

    def __init__(self, clock: Clock = time.monotonic):
        self._clock = clock
        self._answered_s = clock()
        self._missed = 0

    def answered(self) -> None:
        """The graph has answered a check."""
        self._answered_s = self._clock()
        self._missed = 0

    def missed(self) -> None:
        """The graph has failed a check, or not answered it in time."""
        self._missed += 1

    @property
    def ready(self) -> bool:
        """Requests sent here are answered."""
        return self._missed < _UNREADY_AFTER_CHECKS

    @property
    def lost(self) -> bool:
        """The graph does not come back: only a new process helps."""
        return not self.ready and self._clock() - self._answered_s > _LOST_AFTER_S


async def keep_vigil(
    check: Callable[[], Awaitable[None]],
    tell: Callable[[Vigil], Awaitable[None]],
    interval_s: float = INTERVAL_S,
    clock: Clock = time.monotonic,
) -> None:
    """Check a graph every `interval_s` and tell what that says of it, until cancelled.

    Args:
        check: returns where the graph answers, raises anything where it does not; has a time limit of its own.
    """
    vigil = Vigil(clock)
    while True:
        was_ready = vigil.ready
        await asyncio.sleep(interval_s)
        try:
            await check()
        except Exception as error:
            vigil.missed()
            _log.warning("the graph does not answer: %s: %s", type(error).__name__, error)
        else:
            vigil.answered()
            if not was_ready:
                _log.info("the graph answers again")
        await tell(vigil)
