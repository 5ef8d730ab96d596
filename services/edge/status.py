"""The one table from an error to its gRPC status and HTTP code."""

import uuid
from dataclasses import dataclass

import grpc

from quant.errors import LayerNotFound, QuantError
from services.edge import errors

_TABLE: dict[type[Exception], tuple[grpc.StatusCode, int]] = {
    errors.InvalidInput: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    errors.NotFound: (grpc.StatusCode.NOT_FOUND, 404),
    errors.TooLarge: (grpc.StatusCode.RESOURCE_EXHAUSTED, 413),
    errors.FailedPrecondition: (grpc.StatusCode.FAILED_PRECONDITION, 409),
    errors.Unavailable: (grpc.StatusCode.UNAVAILABLE, 503),
    errors.DeadlineExceeded: (grpc.StatusCode.DEADLINE_EXCEEDED, 504),
    errors.Unsupported: (grpc.StatusCode.UNIMPLEMENTED, 501),
    QuantError: (grpc.StatusCode.INVALID_ARGUMENT, 400),
    LayerNotFound: (grpc.StatusCode.NOT_FOUND, 404),
}


@dataclass(frozen=True)
class Status:
    """What a caller is told.

    `error` is the class name, `message` is for people; `incident` is set where the fault is ours, for the log.
    """

    grpc_code: grpc.StatusCode
    http_code: int
    error: str
    message: str
    incident: str | None = None


def status_of(error: Exception) -> Status:
    """Find the status of the nearest class in the table.

    An error outside the tree is a fault of ours: the caller gets INTERNAL / 500 and an incident id, never the text.
    """
    for kind in type(error).__mro__:
        if kind in _TABLE:
            grpc_code, http_code = _TABLE[kind]
            return Status(grpc_code, http_code, type(error).__name__, str(error))
    incident = uuid.uuid4().hex[:12]
    message = f"a fault on our side; look for incident {incident} in the log"
    return Status(grpc.StatusCode.INTERNAL, 500, errors.Internal.__name__, message, incident)
