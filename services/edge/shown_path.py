"""A request's path as logs and traces may have it."""

import re

_SECRET = re.compile(r"(?<=/)(?=[^/]*[a-z])(?=[^/]*[A-Z])[\w-]{43,}(?=/|$)")
"""A part as `secrets.token_urlsafe(32)` makes them; names on a cluster have no capital letters."""


def shown_path(path: str) -> str:
    """The path without what opens something to whoever has it, such as a link that somebody shared.

    >>> shown_path("/api/shared/Xk3vN0-yJq8tBvSx1mZr7LpQe2WuYdHc5AfGi9oTjKs")
    '/api/shared/...'
    >>> shown_path("/v1/ensembles/pair:predict")
    '/v1/ensembles/pair:predict'
    """
    return _SECRET.sub("...", path)
