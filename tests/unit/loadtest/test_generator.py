"""The generator on a loop whose clock is a number: no test here takes time."""

import asyncio
import selectors
from collections.abc import Awaitable, Callable

import pytest

from services.loadtest import generator
from services.loadtest.generator import generate
from services.loadtest.samples import Ended, Outcome, Sample


class _Clock(selectors.SelectSelector):
    """A selector that moves a clock on instead of waiting."""

    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.now_s += timeout or 0.0
        return super().select(0)


def generated(dues_s: list[float], ask: Callable[[int], Awaitable[Ended]]) -> list[Sample]:
    """What `generate` makes of a schedule, and what it tells on the way, which is the same."""
    clock = _Clock()
    reported: list[Sample] = []
    with asyncio.Runner(loop_factory=lambda: asyncio.SelectorEventLoop(clock)) as runner:
        runner.get_loop().time = lambda: clock.now_s  # type: ignore[method-assign]
        samples = runner.run(generate(dues_s, ask, reported.append))
    assert samples == reported
    return samples


async def a_second(number: int) -> Ended:
    await asyncio.sleep(1)
    return Ended(Outcome.ANSWERED)


def test_a_slow_answer_holds_no_later_request_back() -> None:
    samples = generated([0.0, 0.1, 0.2], a_second)
    assert [each.sent_s for each in samples] == pytest.approx([0.0, 0.1, 0.2])
    assert [each.latency_ms for each in samples] == pytest.approx([1000] * 3)


def test_what_waits_for_room_is_late_from_when_it_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(generator, "MOST_UNDER_WAY", 1)
    samples = generated([0.0, 0.1, 0.2], a_second)
    assert [each.lag_ms for each in samples] == pytest.approx([0, 900, 1800])
    assert [each.latency_ms for each in samples] == pytest.approx([1000, 1900, 2800])
