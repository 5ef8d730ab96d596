"""What a caller raises where a call to another service failed."""

import pytest
from grpc import StatusCode
from grpc.aio import AioRpcError, Metadata

from quant.errors import LayerNotFound
from services.edge import errors
from services.edge.remote_errors import error_in_its_words


def failed(code: StatusCode, details: str, kind: str = "") -> AioRpcError:
    return AioRpcError(code, Metadata(), Metadata(("strata-error", kind)) if kind else Metadata(), details)


@pytest.mark.parametrize(
    ("status", "kind", "words"),
    [
        (failed(StatusCode.NOT_FOUND, "no layer 'x'", "LayerNotFound"), LayerNotFound, "no layer 'x'"),
        (failed(StatusCode.UNAVAILABLE, "the store is away", "StoreUnavailable"), errors.StoreUnavailable, "the store"),
        (failed(StatusCode.UNAVAILABLE, "Socket closed"), errors.Unavailable, "the workbench does not answer: try"),
        (failed(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded"), errors.DeadlineExceeded, "ask for less"),
        (failed(StatusCode.RESOURCE_EXHAUSTED, "message larger than max"), errors.TooLarge, "message larger"),
    ],
)
def test_a_service_is_quoted_and_what_grpc_says_itself_says_what_to_do(
    status: AioRpcError, kind: type[Exception], words: str
) -> None:
    found = error_in_its_words(status, "the workbench")
    assert type(found) is kind
    assert words in str(found)
