"""The command `strata` in the test's own process: a new one takes longer to import torch than most calls need."""

import io
import os
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout

import pytest

from services.cli import main


def run_strata(environment: Mapping[str, str], *words: str) -> "subprocess.CompletedProcess[str]":
    """Run the command in this environment and no other, as the shell would: words in, text and exit code out."""
    output, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(output), redirect_stderr(errors):
        for name in os.environ.keys() - environment.keys():
            patch.delenv(name)
        for name, value in environment.items():
            patch.setenv(name, value)
        patch.setattr(sys, "argv", ["strata", *words])
        with pytest.raises(SystemExit) as ended:
            main()
    code = ended.value.code
    return subprocess.CompletedProcess(
        words, code if isinstance(code, int) else 0, output.getvalue(), errors.getvalue()
    )
