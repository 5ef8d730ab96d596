"""Interrupts."""

import asyncio
import signal

import pytest

from services.edge.stop import interruptible


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_at_once_what_runs_in_a_loop_and_handlers_come_back(number: signal.Signals) -> None:
    reached = []

    async def run() -> None:
        before = signal.getsignal(number)
        try:
            with interruptible():
                signal.raise_signal(number)
                reached.append("the line after it")
        finally:
            assert signal.getsignal(number) is before

    with pytest.raises(KeyboardInterrupt):
        asyncio.run(run())
    assert reached == []
