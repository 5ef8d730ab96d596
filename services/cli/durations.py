"""Times as people type them: 90, 90s, 5m, 1.5h."""

import re

from services.edge.errors import InvalidInput

_SECONDS = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0}


def read_duration(text: str, option: str) -> float:
    """Read a time in seconds, above 0. Raises InvalidInput: it is not one; names the option."""
    found = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smh]?)", text.strip())
    if not found or float(found[1]) == 0:
        raise InvalidInput(f"{option}: '{text}' is not a time above zero such as 90s, 5m or 1.5h")
    return float(found[1]) * _SECONDS[found[2]]
