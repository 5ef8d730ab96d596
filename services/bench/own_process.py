"""Measuring in a process of its own: a part that breaks or takes too long ends alone, with all that it started."""

import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from multiprocessing.connection import Connection
from typing import Any, TypeAlias

from services.edge.errors import StrataError, Unavailable

Figures: TypeAlias = Mapping[str, float]
Tell: TypeAlias = Callable[[str], None]
Work: TypeAlias = Callable[[Tell], Iterable[Figures]]

_CONTEXT = multiprocessing.get_context("spawn")  # threads run here, of which a fork would have half


def in_own_process(work: Work, limit_s: float, tell: Tell) -> Iterator[Figures]:
    """Yield what `work` finds, as it does; all its processes have gone, and its scratch folder too, when this ends.

    Args:
        work: takes what is told of its steps; it and all in it can be pickled.
    Raises:
        Unavailable: it failed, or was not done in time; what it had found by then was yielded.
    """
    with tempfile.TemporaryDirectory(prefix="strata-bench-", ignore_cleanup_errors=True) as scratch:
        ours, theirs = _CONTEXT.Pipe(duplex=False)
        process = _CONTEXT.Process(target=_do, args=(work, theirs, scratch))
        process.start()
        theirs.close()
        try:
            yield from _hear(ours, limit_s, tell)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid or 0, signal.SIGKILL)
            process.kill()  # where it had no group of its own yet
            process.join()
            ours.close()


def _hear(said: "Connection[Any, Any]", limit_s: float, tell: Tell) -> Iterator[Figures]:
    until_s = time.monotonic() + limit_s
    while said.poll(max(0.0, until_s - time.monotonic())):
        try:
            kind, content = said.recv()
        except EOFError:
            raise Unavailable("its process ended before it was done") from None
        match kind:
            case "step":
                tell(content)
            case "figures":
                yield content
            case "fault":
                raise Unavailable(content)
            case _:
                return
    raise Unavailable(f"it was not done after {limit_s:.0f} s")


def _do(work: Work, say: "Connection[Any, Any]", scratch: str) -> None:
    os.setsid()
    os.environ["TMPDIR"] = tempfile.tempdir = scratch
    try:
        for figures in work(lambda step: say.send(("step", step))):
            say.send(("figures", dict(figures)))
        say.send(("end", None))
    except StrataError as error:
        say.send(("fault", str(error)))
    except Exception as error:
        traceback.print_exc()
        say.send(("fault", f"{type(error).__name__}: {error}"))
