"""What every test runs under.

One OpenMP thread a process, here and in the processes that tests start, so that two workers of pytest share two cores;
`make test-processors` asks for others. Torch reads it once, when it is imported. Hypothesis holds no example to a time.
"""

import os
import sys
from collections.abc import Iterator

import pytest
from hypothesis import settings

# How long an example takes is the machine's matter.
settings.register_profile("strata", deadline=None)
settings.load_profile("strata")

os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True)
def _threads_as_they_were() -> Iterator[None]:
    """Undo what a test asked of torch: commands and benchmarks choose threads for their whole process."""
    yield
    if torch := sys.modules.get("torch"):
        threads = int(os.environ["OMP_NUM_THREADS"])
        if torch.get_num_threads() != threads:
            torch.set_num_threads(threads)
