from contextlib import ExitStack

import pytest

from services.edge.admission import Admission
from services.edge.errors import QueueFull


def test_one_too_many_is_refused_by_name_and_a_place_is_free_again_once_one_ends() -> None:
    counts: list[int] = []
    admission = Admission(2, "requests to model 'm'", counts.append)
    with ExitStack() as under_way:
        under_way.enter_context(admission.admit())
        under_way.enter_context(admission.admit())
        with pytest.raises(QueueFull, match="2 requests to model 'm' are under way"), admission.admit():
            pytest.fail("was admitted")
        assert admission.under_way == 2
    with admission.admit():
        pass
    assert counts == [1, 2, 1, 0, 1, 0]


def test_one_that_fails_leaves_its_place() -> None:
    admission = Admission(1, "requests")
    with pytest.raises(ZeroDivisionError), admission.admit():
        raise ZeroDivisionError
    assert admission.under_way == 0


def test_a_refusal_says_when_there_will_be_room_once_that_is_known() -> None:
    now_s = 0.0
    admission = Admission(2, "requests", clock=lambda: now_s)

    def refusal() -> QueueFull:
        with admission.admit(), admission.admit(), pytest.raises(QueueFull) as caught, admission.admit():
            pytest.fail("was admitted")
        return caught.value

    assert refusal().retry_after_s is None
    admission = Admission(2, "requests", clock=lambda: now_s)
    with admission.admit():
        now_s = 3.0
    # Two that take 3 s each: one of them ends every 1.5 s.
    assert refusal().retry_after_s == 1.5
