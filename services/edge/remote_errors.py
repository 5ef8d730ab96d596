"""The error that a service of ours answered with, as its caller raises it."""

import grpc

from services.edge import errors
from services.edge.status import ERROR_METADATA_KEY


def error_of(error: grpc.aio.AioRpcError, unreachable: type[errors.Unavailable], what: str) -> errors.StrataError:
    """Find the error of ours behind a failed call.

    Args:
        unreachable: what to call a way that broke, a peer that ended, and an answer of something in between.
        what: the peer, for the message.
    """
    message = f"{what}: {error.details() or error.code().name}"
    for key, value in error.trailing_metadata() or ():
        if key == ERROR_METADATA_KEY and (ours := named_error(str(value), message)):
            return ours
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"{what}: had not answered by the deadline")
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return errors.Unsupported(f"{what}: is another service: {error.details()}")
    return unreachable(message)


def named_error(name: str, message: str) -> errors.StrataError | None:
    """An error of ours by its class; None where there is no such class."""
    kind = getattr(errors, name, None)
    return kind(message) if isinstance(kind, type) and issubclass(kind, errors.StrataError) else None
