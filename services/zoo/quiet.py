"""Keep the chatter of torch's exporters off the user's terminal."""

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from threading import Lock

_lock, _silence = Lock(), contextlib.ExitStack()
_inside = 0
"""Threads that are quiet now: the first silences the process, and the last gives back what it found."""


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Silence log lines, warnings and standard output about an exporter's own internals, in the whole process."""
    _enter()
    try:
        yield
    finally:
        _leave()


def _enter() -> None:
    global _inside
    with _lock:
        if not _inside:
            _silence.callback(logging.disable, logging.root.manager.disable)
            logging.disable(logging.WARNING)
            _silence.enter_context(warnings.catch_warnings())
            _silence.enter_context(contextlib.redirect_stdout(io.StringIO()))
            warnings.simplefilter("ignore")
        _inside += 1


def _leave() -> None:
    global _inside
    with _lock:
        _inside -= 1
        if not _inside:
            _silence.close()
