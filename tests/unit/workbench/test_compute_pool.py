"""What a computation freed is given back when it is over, once."""

import pytest

from services.workbench.compute_pool import ComputePool


def _fail() -> None:
    raise ValueError("wrong")


def test_it_tells_once_that_something_was_computed() -> None:
    with ComputePool(1) as pool:
        assert not pool.has_worked()
        assert pool.submit(pow, 2, 5).result() == 32
        pool.submit(int).result()  # one thread: what came before is noted
        assert pool.has_worked()
    pool.has_worked()
    assert not pool.has_worked()


def test_what_failed_was_work_too() -> None:
    with ComputePool(1) as pool:
        failed = pool.submit(_fail)
    with pytest.raises(ValueError, match="wrong"):
        failed.result()
    assert pool.has_worked()
