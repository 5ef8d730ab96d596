import grpc
import pytest

from quant.errors import LayerNotFound, QuantError
from services.edge import errors
from services.edge.status import status_of


def every_error(base: type[Exception] = errors.StrataError) -> list[type[Exception]]:
    return [base, *(each for kind in base.__subclasses__() for each in every_error(kind))]


def test_every_error_of_the_tree_but_our_own_faults_has_a_status_of_its_kind() -> None:
    ours = {errors.StrataError, errors.Internal}
    for error in [*every_error(), *every_error(QuantError)]:
        if error not in ours:
            assert status_of(error("what is wrong")).incident is None, error


@pytest.mark.parametrize(
    ("error", "grpc_code", "http_code"),
    [
        (errors.PictureTooLarge("x"), grpc.StatusCode.INVALID_ARGUMENT, 400),
        (errors.ModelNotFound("x"), grpc.StatusCode.NOT_FOUND, 404),
        (errors.TooLarge("x"), grpc.StatusCode.RESOURCE_EXHAUSTED, 413),
        (errors.QueueFull("x"), grpc.StatusCode.RESOURCE_EXHAUSTED, 429),
        (errors.MemberUnavailable("x"), grpc.StatusCode.UNAVAILABLE, 503),
        (errors.DeadlineExceeded("x"), grpc.StatusCode.DEADLINE_EXCEEDED, 504),
        (LayerNotFound("x"), grpc.StatusCode.NOT_FOUND, 404),
    ],
)
def test_a_subclass_has_the_status_of_its_nearest_kind(
    error: Exception, grpc_code: grpc.StatusCode, http_code: int
) -> None:
    status = status_of(error)
    assert (status.grpc_code, status.http_code, status.error, status.message) == (
        grpc_code,
        http_code,
        type(error).__name__,
        "x",
    )


def test_a_fault_of_ours_shows_an_incident_and_never_its_text() -> None:
    status = status_of(RuntimeError("password=hunter2"))
    assert status.grpc_code == grpc.StatusCode.INTERNAL
    assert status.http_code == 500
    assert "hunter2" not in status.message
    assert status.incident
    assert status.incident in status.message


@pytest.mark.parametrize(
    ("text", "message"),
    [("short: ä", "short: ä"), ("x" * 9000, "x" * 2000 + "..."), ("€" * 9000, "€" * 666 + "..."), ("\ud800", "?")],
)
def test_a_message_is_text_that_fits_a_header(text: str, message: str) -> None:
    assert status_of(errors.InvalidInput(text)).message == message


def test_the_drawn_tree_names_every_error() -> None:
    assert errors.__doc__
    for error in every_error():
        assert error.__name__ in errors.__doc__, error
