"""When to stop: SIGTERM and SIGINT set one event. As process 1 of a container Python would otherwise ignore SIGTERM."""

import asyncio
import signal


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
