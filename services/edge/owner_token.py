"""Signed tokens that say whom a call is about: the console signs them for its users, the workbench believes them.

A JSON Web Token (RFC 7519) with HMAC-SHA256 (RFC 7518, 3.2); both sides have the key.
"""

from collections.abc import Callable

import jwt

from services.edge.errors import Unauthenticated

KEY_PATTERN = r"^(\S{32,})?$"
"""Of a key: 32 characters at least, as RFC 7518 asks of 256 bits; empty where there is none."""

LIFETIME_S = 600
_ALGORITHM = "HS256"
_AUDIENCE = "strata"


def sign_owner(key: str, clock: Callable[[], float], owner: str) -> str:
    """A token about `owner`, good for `LIFETIME_S` on a clock of seconds since 1970."""
    return jwt.encode({"sub": owner, "aud": _AUDIENCE, "exp": int(clock()) + LIFETIME_S}, key, _ALGORITHM)


def verify_owner(key: str, clock: Callable[[], float], token: str) -> str:
    """Whom a token is about. Raises Unauthenticated where it is not signed with the key, or its time is over."""
    if not token:
        raise Unauthenticated(
            "this service believes signed owner tokens alone: send one as the metadata `strata-owner`"
        )
    try:
        claims = jwt.decode(
            token,
            key,
            [_ALGORITHM],
            options={"require": ["sub", "exp", "aud"], "verify_exp": False},  # PyJWT would ask the machine's clock
            audience=_AUDIENCE,
        )
    except jwt.InvalidTokenError as error:
        raise Unauthenticated(f"the owner token is not one that was signed for this service: {error}") from error
    if claims["exp"] <= clock():
        raise Unauthenticated("the owner token is out of date: ask for a new one")
    return str(claims["sub"])
