"""What each of several calls at a time takes of one process."""

from collections.abc import Callable
from dataclasses import dataclass

from services.edge.meter import Reading
from services.edge.receipts import GIB


@dataclass
class Share:
    """What one call has taken so far: CPU-seconds, and memory times time in GiB·s."""

    cpu_seconds: float = 0.0
    gb_seconds: float = 0.0


class SharedMeter:
    """Split the process's use among the calls under way, evenly from event to event, so that their sum is its own.

    For one event loop: it is asked in its thread alone.
    """

    def __init__(self, read: Callable[[], Reading]):
        self._read = read
        self._last = read()
        self._under_way: list[Share] = []

    def begin(self) -> Share:
        """Begin to count for a call."""
        self.settle()
        share = Share()
        self._under_way.append(share)
        return share

    def end(self, share: Share) -> None:
        """Count for a call no longer."""
        self.settle()
        self._under_way = [each for each in self._under_way if each is not share]

    def settle(self) -> None:
        """Give every call under way its part of what was used since the last event."""
        reading, last = self._read(), self._last
        self._last = reading
        if self._under_way:
            part = 1 / len(self._under_way)
            for share in self._under_way:
                share.cpu_seconds += part * (reading.cpu_s - last.cpu_s)
                share.gb_seconds += part * (reading.wall_s - last.wall_s) * reading.resident_bytes / GIB
