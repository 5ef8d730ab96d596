"""Where a server is: host:port."""

import socket
from ipaddress import ip_address

STUCK_MS = 60_000
"""A peer that takes nothing of what is on its way to it for so long is given up, and what waits for it let go."""


def split_address(address: str) -> tuple[str, int]:
    """Split "host:port"; an IPv6 host is in brackets, and comes without them; port 0 means any free one.

    Raises:
        ValueError: it is something else; settings and commands make their own error of it.
    """
    host, separator, port = address.rpartition(":")
    if not host or not separator or not port.isdecimal() or int(port) > 65535:
        raise ValueError(f"'{address}' is not host:port with a port from 0 to 65535")
    return host.strip("[]"), int(port)


def is_loopback(host: str) -> bool:
    """Tell whether a host of a URL is this machine."""
    try:
        return ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def listen(host: str, port: int) -> socket.socket:
    """Listen on TCP; port 0 takes any free one.

    Raises:
        OSError: the address is taken or not ours; the message names it.
    """
    try:
        listener = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except OSError as error:
        why = str(error.strerror or error).partition(" (while")[0]  # Python adds the address in a form of its own
        raise OSError(f"cannot listen on {host}:{port}: {why}") from error
    # Its connections inherit both. The kernel alone sees that a peer reads nothing: a server that has written all of an
    # answer, and waits until it has been taken, would keep it for ever.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, STUCK_MS)
    # Without this an answer's body waits 40 ms, until the caller has confirmed the header:
    # asyncio sets it for connections only where it made the listener itself.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener
