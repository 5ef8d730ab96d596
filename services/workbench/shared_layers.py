"""What all who run a model in float at a time have in common: its layers, whose packed weights weigh as it does."""

from threading import Lock
from weakref import WeakSet

from quant.engine import Engine


class SharedLayers:
    """Engines that run a model in float now; nothing is kept that nobody runs."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._engines: WeakSet[Engine] = WeakSet()

    def any_engine(self) -> Engine | None:
        """One whose layers another engine may take over; None where nobody runs the model."""
        with self._lock:
            return next(iter(self._engines), None)

    def note(self, engine: Engine) -> None:
        """Remember an engine for as long as somebody has it."""
        with self._lock:
            self._engines.add(engine)
