"""Run a module as a child that ends when its parent does: `python -m services.local.child PARENT_PID MODULE`."""

import os
import runpy
import signal
import sys

_PR_SET_PDEATHSIG = 1


def end_with_parent(parent_pid: int) -> None:
    """Ask the kernel for SIGTERM when the parent ends, however it ends. Linux only; elsewhere it does nothing.

    The kernel means the thread that started this process: a parent starts children from a thread that lives on.
    """
    if sys.platform != "linux":
        return
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent_pid:  # it ended before we asked
        sys.exit(0)


if __name__ == "__main__":
    end_with_parent(int(sys.argv[1]))
    runpy.run_module(sys.argv[2], run_name="__main__", alter_sys=True)
