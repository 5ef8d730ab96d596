"""The one table from an error to its gRPC status and HTTP code."""

import os
from dataclasses import dataclass

import grpc

from quant import errors as quant_errors
from quant.errors import LayerNotFound, QuantError
from services.edge import errors

_TABLE: dict[type[Exception], tuple[grpc.StatusCode, int]] = {
    errors.InvalidInput: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    errors.BodyTooSlow: (grpc.StatusCode.INVALID_ARGUMENT, 408),
    errors.UnknownEncoding: (grpc.StatusCode.INVALID_ARGUMENT, 415),
    errors.Unauthenticated: (grpc.StatusCode.UNAUTHENTICATED, 401),
    errors.Forbidden: (grpc.StatusCode.PERMISSION_DENIED, 403),
    errors.NotFound: (grpc.StatusCode.NOT_FOUND, 404),
    errors.TooLarge: (grpc.StatusCode.RESOURCE_EXHAUSTED, 413),
    errors.FailedPrecondition: (grpc.StatusCode.FAILED_PRECONDITION, 409),
    errors.Unavailable: (grpc.StatusCode.UNAVAILABLE, 503),
    errors.QueueFull: (grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
    errors.DeadlineExceeded: (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
    errors.Unsupported: (grpc.StatusCode.UNIMPLEMENTED, 501),
    QuantError: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    LayerNotFound: (grpc.StatusCode.NOT_FOUND, 404),
}

PUSHBACK_METADATA_KEY = "grpc-retry-pushback-ms"
"""Of gRPC's trailing metadata, as HTTP's Retry-After: a client that tries again by a policy waits so long (gRFC A6)."""

ERROR_METADATA_KEY = "strata-error"
"""Of gRPC's trailing metadata: the error's class, as HTTP's body names it."""

MAX_MESSAGE_BYTES = 2000
"""Of UTF-8: gRPC sends it as a header, three bytes for each that is not ASCII, and takes 8 kB of headers in all."""


@dataclass(frozen=True)
class Status:
    """What a caller learns of an error.

    `error` is the class name, `message` is for people; `incident` is set where the fault is ours, for the log, and
    `retry_after_s` where it is known when trying again may help.
    """

    grpc_code: grpc.StatusCode
    http_code: int
    error: str
    message: str
    incident: str | None = None
    retry_after_s: float | None = None


def status_of(error: Exception) -> Status:
    """Find the status of the nearest class in the table. A message that repeats much of what a caller sent is cut.

    An error outside the tree is a fault of ours: the caller gets INTERNAL / 500 and an incident id, never the text.
    """
    for kind in type(error).__mro__:
        if kind in _TABLE:
            grpc_code, http_code = _TABLE[kind]
            retry_after_s = error.retry_after_s if isinstance(error, errors.QueueFull) else None
            return Status(grpc_code, http_code, type(error).__name__, _cut(str(error)), retry_after_s=retry_after_s)
    incident = os.urandom(6).hex()
    message = f"a fault on our side; look for incident {incident} in the log"
    return Status(grpc.StatusCode.INTERNAL, 500, errors.Internal.__name__, message, incident)


def is_askers_fault(error: Exception) -> bool:
    """Tell whether asking again changes nothing: wrong input, what does not exist, and what is not supported."""
    refused = 400 <= status_of(error).http_code < 500 and not isinstance(error, errors.Unavailable)
    return refused or isinstance(error, errors.Unsupported)


def forget_frames(error: BaseException) -> None:
    """Let go of what an error's frames hold, once it is answered.

    A task that failed, and what waited for it, keep the error, which keeps their frames, which keep them: a circle that
    only a full collection would end, with the request's body in it.
    """
    left, seen = [error], set[int]()
    while left:
        each = left.pop()
        if id(each) in seen:
            continue
        seen.add(id(each))
        each.__traceback__ = None
        left += [other for other in (each.__cause__, each.__context__) if other]
        if isinstance(each, BaseExceptionGroup):
            left += each.exceptions


def error_of(name: str, code: grpc.StatusCode, message: str) -> Exception:
    """What a service of ours raised, by the class name that came with its status; else the nearest to the code.

    Args:
        name: from the metadata; empty where the status is gRPC's own.
    """
    for known in (errors, quant_errors):
        kind = getattr(known, name, None)
        if isinstance(kind, type) and issubclass(kind, errors.StrataError | QuantError):
            return kind(message)
    by_code: dict[grpc.StatusCode, type[Exception]] = {}
    for kind, (grpc_code, _) in _TABLE.items():
        by_code.setdefault(grpc_code, kind)
    return by_code.get(code, errors.Internal)(message)


def _cut(message: str) -> str:
    encoded = message.encode(errors="replace")
    if len(encoded) <= MAX_MESSAGE_BYTES:
        return encoded.decode()
    return encoded[:MAX_MESSAGE_BYTES].decode(errors="ignore") + "..."
