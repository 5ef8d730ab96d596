"""What a command's exit code says."""

import pytest

from quant.errors import InvalidEdit, LayerNotFound, QuantError
from services.cli.failures import exit_code_of
from services.edge import errors


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (errors.InvalidInput, 2),
        (errors.ForeignFile, 2),
        (errors.ModelNotFound, 2),
        (errors.TooLarge, 2),
        (errors.NoIntegers, 2),
        (errors.Unsupported, 2),
        (InvalidEdit, 2),
        (LayerNotFound, 2),
        (QuantError, 2),
        (errors.Unavailable, 1),
        (errors.QueueFull, 1),
        (errors.StoreUnavailable, 1),
        (errors.DeadlineExceeded, 1),
        (errors.Internal, 1),
        (RuntimeError, 1),
    ],
)
def test_2_is_for_the_caller_to_mend_and_1_is_a_fault(error: type[Exception], code: int) -> None:
    assert exit_code_of(error("what happened")) == code
