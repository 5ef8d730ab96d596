"""When to stop: SIGTERM and SIGINT set one event. As process 1 of a container Python would otherwise ignore SIGTERM."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


def stop_event() -> asyncio.Event:
    """Return an event of the running loop that the first SIGTERM or SIGINT sets; a second SIGINT interrupts at once."""
    loop = asyncio.get_running_loop()
    event = asyncio.Event()

    def stop(number: signal.Signals) -> None:
        event.set()
        for each in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(each)
        if number == signal.SIGINT:
            signal.signal(signal.SIGINT, signal.default_int_handler)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop, number)
    return event


@contextmanager
def interruptible() -> Iterator[None]:
    """While it lasts, SIGINT and SIGTERM interrupt what runs at once; an event loop's handlers would wait for it."""
    numbers = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
