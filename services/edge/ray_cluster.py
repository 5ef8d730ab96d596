"""The Ray cluster that work runs on: a head of our own that ends with us, or one that runs and is joined."""

import os
from collections.abc import Mapping

import grpc

from services.edge.address import split_address
from services.edge.errors import InvalidDeclaration, NotReady
from services.edge.grpc_channel import open_blocking_channel

ADDRESS = "RAY_ADDRESS"

_OBJECT_STORE_BYTES = 100 * 2**20
_REACH_TIMEOUT_S = 20.0


def cluster_address(environment: Mapping[str, str]) -> str:
    """Read host:port of the head to join; empty where a head of our own is to start.

    Raises:
        InvalidDeclaration: it is of another form.
    """
    address = environment.get(ADDRESS, "").strip()
    if address in ("", "local"):
        return ""
    try:
        _, port = split_address(address)
    except ValueError:
        port = 0
    if port == 0 or "://" in address:
        raise InvalidDeclaration(
            f"{ADDRESS}: '{address}' is not host:port of a Ray head, 127.0.0.1:6379 for instance; leave it out, and a "
            "head of our own starts"
        )
    return address


def start_head() -> None:
    """Start a head, whatever else runs on this machine: a file that another left behind says nothing here.

    Raises:
        NotReady: it does not start.
    """
    import ray

    os.environ.pop(ADDRESS, None)
    try:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            configure_logging=False,
            object_store_memory=_OBJECT_STORE_BYTES,
        )
    except Exception as error:
        # Ray raises what its parts raise, and the bare class where one of them is slow.
        raise NotReady(f"a Ray head does not start here: {error}") from error


def join_cluster(address: str, timeout_s: float = _REACH_TIMEOUT_S) -> None:
    """Join a head at host:port.

    Raises:
        NotReady: nothing answers there within the time, or it is not a head of this version of Ray.
    """
    _check_that_it_answers(address, timeout_s)
    import ray

    try:
        ray.init(address=address, log_to_driver=False, configure_logging=False)
    except Exception as error:
        # As above.
        raise NotReady(f"{ADDRESS}: the Ray head at {address} cannot be joined: {error}") from error


def _check_that_it_answers(address: str, timeout_s: float) -> None:
    """Ask before Ray does: it waits for minutes, and cannot be interrupted."""
    with open_blocking_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout_s)
        except grpc.FutureTimeoutError:
            raise NotReady(
                f"{ADDRESS}: no Ray head answered at {address} within {timeout_s:g} s; start it, or leave the "
                "variable out, and a head of our own starts"
            ) from None
