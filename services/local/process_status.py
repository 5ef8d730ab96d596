"""What the kernel says of a process: proc(5), /proc/PID/stat. Elsewhere than on Linux it says nothing."""

from dataclasses import dataclass
from pathlib import Path

_PF_EXITING = 0x4
"""Of `flags`; include/linux/sched.h."""


@dataclass(frozen=True)
class ProcessStatus:
    """A process at one moment.

    Attributes:
        began: clock ticks from the machine's start to its own. Numbers of processes are used again, also after a
            restart of the machine: only with the same one is it the same process.
        exiting: it closes what it has open, or has done so.
        ended: it has closed everything; its parent has yet to hear of it.
    """

    began: int
    exiting: bool
    ended: bool


def status_of_process(pid: int) -> ProcessStatus | None:
    """Ask; None where there is no such process, or no /proc."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    # The second field is a name in parentheses, which may hold any; the third is the state.
    fields = stat.rpartition(")")[2].split()
    return ProcessStatus(began=int(fields[19]), exiting=bool(int(fields[6]) & _PF_EXITING), ended=fields[0] in "ZX")
