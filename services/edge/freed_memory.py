"""Memory that is freed goes back to the machine while much is held, instead of waiting for the process's next peak.

What comes in goes through many hands: gRPC's and asyncio's buffers, the form's parser, the message; a run of a model
frees each value after its last reader. The C library keeps what they free between what is held:
docs/adr/0402-what-waits.md has what else was tried.
"""

import asyncio
import ctypes
from collections.abc import Callable

_INTERVAL_S = 0.5


def return_freed_memory() -> None:
    """Give back every free page; takes milliseconds. Nothing happens where the C library is not glibc."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)  # the interpreter's lock is free meanwhile


async def keep_returning_freed_memory(holds_much: Callable[[], bool], interval_s: float = _INTERVAL_S) -> None:
    """Return what is freed from time to time while much is held, until cancelled."""
    while True:
        await asyncio.sleep(interval_s)
        if holds_much():
            await asyncio.to_thread(return_freed_memory)
