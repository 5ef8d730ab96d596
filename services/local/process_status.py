"""Whether a process of this machine still runs: proc(5), /proc/PID/stat, and signals where there is no /proc."""

import os
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path

_PF_EXITING = 0x4
"""Of `flags`; include/linux/sched.h."""


class Life(Enum):
    """Where a process is: an `EXITING` one closes what it has open, or has done so; an `ENDED` one has."""

    RUNNING = auto()
    EXITING = auto()
    ENDED = auto()


@dataclass(frozen=True)
class Process:
    """One process, of ours or not.

    Attributes:
        began: clock ticks from the machine's start to its own, 0 where there is no /proc. Numbers of processes are used
            again, also after a restart of the machine: only with the same one is it the same process.
    """

    pid: int
    began: int

    @classmethod
    def of(cls, pid: int) -> "Process":
        """Note the process that has this number now."""
        fields = _read_stat(pid)
        return cls(pid, _began(fields) if fields else 0)

    def life(self) -> Life:
        """Ask the kernel. An event loop may hear of a death later than the next request comes."""
        fields = _read_stat(self.pid)
        if fields is None:
            # No such process, or no /proc: asked last, since it may end between two questions.
            return Life.RUNNING if self.began == 0 and _exists(self.pid) else Life.ENDED
        if _began(fields) != self.began or fields[0] in "ZX":
            return Life.ENDED
        # A killed process closes its sockets some time before it can be waited for.
        return Life.EXITING if int(fields[6]) & _PF_EXITING else Life.RUNNING


def _read_stat(pid: int) -> list[str] | None:
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is a name in parentheses, which may hold any; the third, first here, is the state.
    return stat.rpartition(")")[2].split()


def _began(fields: list[str]) -> int:
    return int(fields[19])


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:
        pass
    return True
