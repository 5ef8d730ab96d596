"""How a service's process ends."""

import logging
from collections.abc import Callable

from services.edge.errors import StrataError


def exit_code_of(serve: Callable[[], None], log: logging.Logger) -> int:
    """Serve to the end: 0 when asked to stop, 2 where settings or what they name are at fault, 1 where we are."""
    try:
        serve()
    except (StrataError, OSError) as error:
        log.error("%s: %s", type(error).__name__, error)
        return 2
    except Exception:
        log.exception("cannot serve")
        return 1
    return 0
