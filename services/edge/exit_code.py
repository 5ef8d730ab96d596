"""How a service's process ends."""

import atexit
import logging
import os
import sys
from collections.abc import Callable
from typing import NoReturn

from services.edge.errors import StrataError


def exit_code_of(run: Callable[[], None], log: logging.Logger, doing: str = "serve") -> int:
    """Run to the end: 0 when done or asked to stop, 2 where settings or what they name are at fault, 1 where we are.

    Args:
        doing: what the log says that we cannot where we are at fault.
    """
    try:
        run()
    except (StrataError, OSError) as error:
        log.error("%s: %s", type(error).__name__, error)
        return 2
    except Exception:
        log.exception("cannot %s", doing)
        return 1
    return 0


def end_at_once(code: int) -> NoReturn:
    """End this process once what is registered for its end has run.

    The interpreter is not taken apart: with an engine in it that takes 50 ms of a CPU, after the last time that the
    process could say what it has spent. Threads that still compute are not waited for.
    """
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
