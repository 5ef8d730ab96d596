"""The chart's README says all that its values are."""

from scripts.generate_chart_readme import generated, read_values
from tests.charts.rendered import CHART

VALUES = (CHART / "values.yaml").read_text()


def test_the_readme_has_the_values_as_they_are() -> None:
    readme = (CHART / "README.md").read_text()
    assert readme == generated(readme, VALUES), "run `make generate`"


def test_every_value_is_explained() -> None:
    assert [".".join(value.path) for value in read_values(VALUES) if not value.is_section and not value.comment] == []
