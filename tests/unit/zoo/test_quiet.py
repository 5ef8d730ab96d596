"""What is silent while exporters talk is as loud as before when the last of them is done."""

import logging
import sys
import warnings
from collections.abc import Callable
from threading import Thread

import pytest

from services.zoo.quiet import quiet


def test_chatter_is_silent_and_what_comes_after_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    with quiet():
        print("chatter")
        warnings.warn("chatter", stacklevel=1)
        assert not logging.getLogger("exporter").isEnabledFor(logging.WARNING)
    print("answer")
    assert capsys.readouterr().out == "answer\n"
    assert logging.getLogger("exporter").isEnabledFor(logging.WARNING)


def test_two_threads_that_are_quiet_leave_the_process_as_they_found_it() -> None:
    """The first to be quiet is the first to be done: what the other found is the first one's silence."""

    def elsewhere(act: Callable[[], object]) -> None:
        thread = Thread(target=act)
        thread.start()
        thread.join()

    before = sys.stdout, logging.root.manager.disable, list(warnings.filters)
    first, second = quiet(), quiet()
    for act in (first.__enter__, second.__enter__, lambda: first.__exit__(None, None, None)):
        elsewhere(act)
    assert not logging.getLogger("exporter").isEnabledFor(logging.WARNING)
    elsewhere(lambda: second.__exit__(None, None, None))
    assert (sys.stdout, logging.root.manager.disable, list(warnings.filters)) == before
