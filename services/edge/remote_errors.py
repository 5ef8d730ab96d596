"""The error that a service of ours answered with, as its caller raises it."""

from typing import Any

import grpc

from services.edge import errors, status
from services.edge.status import ERROR_METADATA_KEY


def error_of(error: grpc.aio.AioRpcError, unreachable: type[errors.Unavailable], what: str) -> errors.StrataError:
    """Find the error of ours behind a failed call.

    Args:
        unreachable: what to call a way that broke, a peer that ended, and an answer of something in between.
        what: the peer, for the message.
    """
    message = f"{what}: {error.details() or error.code().name}"
    if ours := named_error(_name_of(error), message):
        return ours
    if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"{what}: had not answered by the deadline")
    if error.code() is grpc.StatusCode.UNIMPLEMENTED:
        return errors.Unsupported(f"{what}: is another service: {error.details()}")
    return unreachable(message)


def error_in_its_words(error: grpc.RpcError, what: str) -> Exception:
    """What a service of ours raised, for people who called it alone; where gRPC speaks itself, what to do.

    Args:
        what: the peer, for the message.
    """
    name, details = _name_of(error), str(error.details())
    if not name and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
        return errors.DeadlineExceeded(f"{what} had not answered in time: ask for less at once, or try again")
    if not name and error.code() is grpc.StatusCode.UNAVAILABLE:
        return errors.Unavailable(f"{what} does not answer: try again in a moment ({details})")
    return status.error_of(name, error.code(), details)


def named_error(name: str, message: str) -> errors.StrataError | None:
    """An error of ours by its class; None where there is no such class."""
    kind = getattr(errors, name, None)
    return kind(message) if isinstance(kind, type) and issubclass(kind, errors.StrataError) else None


def _name_of(error: grpc.RpcError) -> str:
    """The class of the error behind a failed call; empty where gRPC speaks itself."""
    metadata: Any = error.trailing_metadata() or ()
    return next((str(value) for key, value in metadata if key == ERROR_METADATA_KEY), "")
