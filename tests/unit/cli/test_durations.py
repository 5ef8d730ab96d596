"""Times as people type them."""

import pytest

from services.cli.durations import read_duration
from services.edge.errors import InvalidInput


@pytest.mark.parametrize(("text", "seconds"), [("90", 90.0), ("60s", 60.0), ("1.5m", 90.0), ("2 h", 7200.0)])
def test_a_time_is_read(text: str, seconds: float) -> None:
    assert read_duration(text, "--deadline") == seconds


@pytest.mark.parametrize("text", ["", "0", "0s", "-5s", "5 days", "s", "nan", "1e3"])
def test_what_is_not_a_time_is_refused_by_the_options_name(text: str) -> None:
    with pytest.raises(InvalidInput, match="--deadline: "):
        read_duration(text, "--deadline")
