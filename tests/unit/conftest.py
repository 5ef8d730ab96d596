"""Unit tests stay in their process: no network, no waiting, no Ray.

A file whose subject needs one of these says so by a fixture `alone` of its own.
"""

import socket
import sys
import time
from typing import NoReturn

import pytest

MOMENT_S = 0.05


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse to connect, to listen, to sleep longer than a moment, and to import Ray."""
    pause = time.sleep

    def refuse(*_: object) -> NoReturn:
        raise AssertionError("a unit test neither connects nor listens: it belongs to tests/contract")

    def doze(seconds: float) -> None:
        assert seconds <= MOMENT_S, f"a unit test does not sleep for {seconds} s: give it a clock"
        pause(seconds)

    # Not the class: the event loop of an async test wakes itself up through a pair of sockets.
    for call in ("connect", "connect_ex", "bind"):
        monkeypatch.setattr(socket.socket, call, refuse)
    monkeypatch.setattr(time, "sleep", doze)
    monkeypatch.setitem(sys.modules, "ray", None)
