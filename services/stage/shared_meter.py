"""What each of several calls at a time takes of one process."""

from collections.abc import Callable
from dataclasses import dataclass

from services.edge.meter import Reading
from services.edge.receipts import GIB, NOTHING, Allocation


@dataclass
class Share:
    """What one call has taken so far: CPU-seconds, and memory times time in GiB·s.

    Attributes:
        before: what the process spent and held before the call for nobody: its start, idle time, calls that failed.
    """

    cpu_seconds: float = 0.0
    gb_seconds: float = 0.0
    before: Allocation = NOTHING

    @property
    def allocation(self) -> Allocation:
        """All that the call pays for."""
        return self.before + Allocation(self.cpu_seconds, self.gb_seconds)


class SharedMeter:
    """Split the process's use among the calls under way, evenly from event to event, so that their sum is its own.

    What was used with no call under way, and by calls that claimed nothing, is the next call's to pay for: whatever was
    claimed, what calls under way have taken, and what waits for the next add up to all that the process has used.
    For one event loop: it is asked in its thread alone.

    Args:
        began: when the process did, with nothing used yet.
    """

    def __init__(self, read: Callable[[], Reading], began: Reading):
        self._read = read
        self._last = began
        self._under_way: list[Share] = []
        self._waiting = NOTHING

    def begin(self) -> Share:
        """Begin to count for a call."""
        self._settle()
        share = Share(before=self._waiting)
        self._waiting = NOTHING
        self._under_way.append(share)
        return share

    def claim(self, share: Share) -> Share:
        """Have a call under way pay: returns what it has taken, which it does not pay for again."""
        self._settle()
        claimed = Share(share.cpu_seconds, share.gb_seconds, share.before)
        share.cpu_seconds, share.gb_seconds, share.before = 0.0, 0.0, NOTHING
        return claimed

    def give_back(self, claimed: Share) -> None:
        """Have the next call pay for what one claimed that failed after all."""
        self._waiting += claimed.allocation

    def end(self, share: Share) -> None:
        """Count for a call no longer; what it has not claimed waits for the next."""
        self._settle()
        self._under_way = [each for each in self._under_way if each is not share]
        self._waiting += share.allocation

    def _settle(self) -> None:
        """Give every call under way its part of what was used since the last event."""
        reading, last = self._read(), self._last
        self._last = reading
        cpu_s, gb_s = reading.cpu_s - last.cpu_s, (reading.wall_s - last.wall_s) * reading.resident_bytes / GIB
        if not self._under_way:
            self._waiting += Allocation(cpu_s, gb_s)
        for share in self._under_way:
            share.cpu_seconds += cpu_s / len(self._under_way)
            share.gb_seconds += gb_s / len(self._under_way)
