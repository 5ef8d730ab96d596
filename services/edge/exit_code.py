"""How a service's process ends."""

import logging
from collections.abc import Callable

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
