"""How a driver's process ends: by this Kubernetes decides whether to start another one."""

import pytest

from services.cli.failures import exit_code_of as command_exit_code_of
from services.edge.errors import (
    ArtifactNotFound,
    DeadlineExceeded,
    Internal,
    InvalidInput,
    JobUnderWay,
    OtherChain,
    StageUnavailable,
    StoreFull,
    Unsupported,
)
from services.pipeline.process import EXIT_BAD_INPUT, EXIT_TRY_AGAIN, exit_code_of

FOR_GOOD = [InvalidInput("x"), ArtifactNotFound("x"), OtherChain("x"), StoreFull("x"), Unsupported("x")]
MAY_PASS = [StageUnavailable("x"), DeadlineExceeded("x"), Internal("x"), OSError("x")]


@pytest.mark.parametrize("error", [*FOR_GOOD, *MAY_PASS], ids=lambda error: type(error).__name__)
def test_a_driver_ends_as_the_command_does(error: Exception) -> None:
    assert exit_code_of(error) == command_exit_code_of(error)
    assert exit_code_of(error) == (EXIT_BAD_INPUT if error in FOR_GOOD else EXIT_TRY_AGAIN)


def test_a_job_that_another_driver_runs_is_tried_again() -> None:
    assert exit_code_of(JobUnderWay("x")) == EXIT_TRY_AGAIN
