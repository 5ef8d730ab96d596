"""How callers of ours reach a service over HTTP."""

from typing import Any

import httpx

from services.edge.address import is_loopback


def client_options(url: str) -> dict[str, Any]:
    """Options of an httpx client to a service: no proxy on the way to this machine, certificates for https alone.

    They take longer to read than a service that is near takes to answer.

    Raises:
        httpx.InvalidURL: it is no URL.
    """
    place = httpx.URL(url)
    return {"base_url": url, "trust_env": not is_loopback(place.host), "verify": place.scheme == "https"}


def reason_of(error: Exception) -> str:
    """Say why a call failed: httpx's errors of a time-out, among others, have a name and no words."""
    return str(error) or type(error).__name__
