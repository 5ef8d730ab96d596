"""Who pays for what this process spends: all of it is shared out among the requests that it answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from services.edge.meter import Reading
from services.edge.receipts import GIB, Allocation

_IDLE_S = 5.0
"""With nothing under way for longer, what was spent meanwhile belongs to no request: probes, timers, the start."""


@dataclass(frozen=True)
class Part:
    """One request of a pass: its bytes, and its share of the pass; the shares of a pass add up to 1."""

    size_bytes: int
    share: float = 1.0


@dataclass(frozen=True)
class Claim:
    """What one request pays for.

    Attributes:
        cpu_s: its share of its pass, and its part of the work around them: reading, queueing and writing messages.
        idle_cpu_s: what the process spent before it with nothing under way.
        gb_s: the memory that the process held since the claim before it, in GiB·s.
    """

    cpu_s: float
    idle_cpu_s: float
    gb_s: float

    @property
    def allocation(self) -> Allocation:
        """All of it."""
        return Allocation(self.cpu_s + self.idle_cpu_s, self.gb_s)


class Ledger:
    """The account of one process, whose passes run one after the other.

    Each claim takes its share of what its pass took, and of what the process spent around passes the part that its
    bytes are of the bytes under way; what was spent with nothing under way goes to the first of a pass. Nothing is
    counted twice and nothing is left out: at every moment all claims, what `unclaimed` gave and what `rest` says add up
    to what the process has spent.
    """

    def __init__(self, began: Reading, one_thread: bool):
        """Begin the account.

        Args:
            began: when the process did, with nothing spent yet.
            one_thread: passes compute on the thread that reads the meter alone. Else a pass is given all that the
                process spends meanwhile.
        """
        self._one_thread = one_thread
        self._last = began
        self._starting = True
        self._around_s = 0.0
        self._idle_s = 0.0
        self._held_gb_s = 0.0
        self._under_way_bytes = 0
        self._unclaimed = Allocation()

    def arrive(self, size_bytes: int, read: Callable[[], Reading]) -> None:
        """Note a request that will claim; the meter is read where nothing else is under way."""
        if not self._under_way_bytes:
            now = read()
            idle = self._starting or now.wall_s - self._last.wall_s > _IDLE_S
            self._starting = False
            self._idle_s += (now.cpu_s - self._last.cpu_s) if idle else 0.0
            self._around_s += 0.0 if idle else now.cpu_s - self._last.cpu_s
            self._hold(now)
        self._under_way_bytes += size_bytes

    def leave(self, size_bytes: int) -> None:
        """Note that a request went before anything of it ran."""
        self._under_way_bytes -= size_bytes

    def claim(self, parts: Sequence[Part], before: Reading, after: Reading) -> list[Claim]:
        """Have the requests of a pass pay, which ran from `before` to `after`, both read by the thread that ran it."""
        passes_s = after.thread_s - before.thread_s if self._one_thread else after.cpu_s - before.cpu_s
        # Below 0 where a request that gave up was given a part of the passes that ran meanwhile.
        self._around_s += after.cpu_s - self._last.cpu_s - passes_s
        self._hold(after)
        held_gb_s, self._held_gb_s = self._held_gb_s, 0.0
        claims = []
        for part in parts:
            around_s = max(0.0, self._around_s) * part.size_bytes / max(part.size_bytes, self._under_way_bytes)
            claims.append(Claim(part.share * passes_s + around_s, self._idle_s, part.share * held_gb_s))
            self._around_s -= around_s
            self._idle_s = 0.0
            self._under_way_bytes -= part.size_bytes
        return claims

    def keep(self, claim: Claim) -> None:
        """Put a claim on no receipt: its request failed, or was computed for a caller that had gone."""
        self._unclaimed += claim.allocation

    def unclaimed(self) -> Allocation:
        """Hand out, once, what no request pays for."""
        taken, self._unclaimed = self._unclaimed, Allocation()
        return taken

    def rest(self, now: Reading) -> Allocation:
        """Say what is on no receipt yet."""
        cpu_s = now.cpu_s - self._last.cpu_s + self._around_s + self._idle_s
        gb_s = self._held_gb_s + (now.wall_s - self._last.wall_s) * now.resident_bytes / GIB
        return self._unclaimed + Allocation(cpu_s, gb_s)

    def _hold(self, until: Reading) -> None:
        self._held_gb_s += max(0.0, until.wall_s - self._last.wall_s) * until.resident_bytes / GIB
        self._last = until
