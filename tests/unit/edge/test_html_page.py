"""Pages that stand alone."""

import re

import pytest

from services.edge.html_page import ChartLine, html_page, line_chart, paragraph, table


def test_what_comes_from_users_stays_text() -> None:
    bad = '<script>alert("1")</script>'
    chart = line_chart(bad, bad, [ChartLine(bad, [1.0, 2.0])], [bad, bad])
    page = html_page(bad, [paragraph(bad), table(bad, [bad], [[bad], [bad]]), chart])
    assert "<script" not in page
    assert 'alert("1")' not in page


@pytest.mark.parametrize("values", [[0.0], [5.0, 5.0], [-3.2, 80.0], [0.001, 0.002], [1e6, 2e6]])
def test_a_chart_has_all_its_points_between_its_axes(values: list[float]) -> None:
    chart = line_chart("c", "dB", [ChartLine("l", values)], ["n"] * len(values))
    points = re.findall(r'cx="([\d.]+)" cy="([\d.]+)"', chart)
    assert len(points) == len(values)
    assert all(46 <= float(x) <= 990 and 24 <= float(y) <= 270 for x, y in points)


def test_a_chart_of_many_layers_writes_every_so_many_names() -> None:
    chart = line_chart("c", "dB", [ChartLine("l", [1.0] * 700)], [f"layer_{n}" for n in range(700)])
    assert 30 < chart.count("rotate(-90)") <= 60
    assert chart.count("<title>") == 700
