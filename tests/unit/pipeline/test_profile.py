"""A profile is the line through what was measured, and comes back from JSON as it was."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.edge.errors import InvalidInput
from services.pipeline.profile import ChainProfile, fit_line, stage_points
from tests.unit.pipeline.chains import chains


@given(record_s=st.floats(0.0, 10.0), picture_s=st.floats(0.0, 1.0))
def test_the_line_that_was_measured_is_found(record_s: float, picture_s: float) -> None:
    points = [(n, record_s + n * picture_s) for n in (16, 16, 100, 250)]
    found = fit_line(points)
    for n, time_s in points:
        assert found[0] + n * found[1] == pytest.approx(time_s, rel=1e-6, abs=1e-6)


@given(points=st.lists(st.tuples(st.integers(1, 50), st.floats(0.01, 10.0)), min_size=2))
def test_no_record_or_picture_takes_less_than_no_time(points: list[tuple[int, float]]) -> None:
    if len({n for n, _ in points}) < 2:
        with pytest.raises(InvalidInput, match="measure two sizes"):
            fit_line(points)
        return
    record_s, picture_s = fit_line(points)
    assert record_s >= 0
    assert picture_s >= 0


def test_one_slow_record_of_three_changes_nothing() -> None:
    steady = [(10, 1.0), (10, 1.0), (20, 2.0), (20, 2.0)]
    assert fit_line([*steady, (10, 9.0), (20, 30.0)]) == pytest.approx(fit_line(steady))


def test_records_that_met_a_starting_process_or_were_done_before_do_not_count() -> None:
    passages = [
        {"pictures": 10, "stages": {"conv": {"seconds": 3.0, "cold": True}}},
        {"pictures": 20, "stages": {"conv": {"seconds": 2.0, "cold": False}}},
    ]
    assert stage_points(passages, "conv") == [(20, 2.0)]


@given(profile=chains())
def test_a_profile_comes_back_from_json_as_it_was(profile: ChainProfile) -> None:
    assert ChainProfile.from_json(json.loads(json.dumps(profile.to_json()))) == profile


@pytest.mark.parametrize("content", [{}, {"stages": []}, {"stages": [{"name": "conv"}], "layers": []}])
def test_what_is_no_profile_is_refused(content: dict[str, object]) -> None:
    with pytest.raises(InvalidInput, match="measure it anew"):
        ChainProfile.from_json(content)
