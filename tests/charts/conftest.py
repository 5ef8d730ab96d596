"""The same claims over every set of values."""

import pytest

from tests.charts.rendered import VALUE_SETS, Objects, render


@pytest.fixture(params=VALUE_SETS, name="objects")
def rendered_values(request: pytest.FixtureRequest) -> Objects:
    return render(VALUE_SETS[request.param])
