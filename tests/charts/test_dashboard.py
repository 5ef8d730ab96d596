"""Metrics, their document and Grafana's board agree."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from services.ensemble.metrics import Metrics, watch_replicas
from services.model.metrics import exposition
from services.model.usecases import Totals
from tests.charts.rendered import needs_helm, render

ROOT = Path(__file__).parents[2]
BOARD = ROOT / "charts" / "strata" / "files" / "dashboard.json"
SERIES = re.compile(r"strata_[a-z_]+")


def exposed() -> Iterator[Metric]:
    registry = CollectorRegistry()
    Metrics(registry)
    watch_replicas({"tiny": lambda: 1}, registry)
    yield from registry.collect()
    yield from text_string_to_metric_families(exposition("tiny", Totals()).decode())


def name_of(metric: Metric) -> str:
    return f"{metric.name}_total" if metric.type == "counter" else metric.name


def queries() -> list[str]:
    board = json.loads(BOARD.read_text())
    variables = [each["query"] for each in board["templating"]["list"]]
    return variables + [target["expr"] for panel in board["panels"] for target in panel["targets"]]


@pytest.mark.parametrize("metric", list(exposed()), ids=name_of)
def test_every_metric_is_named_after_its_service_and_documented_with_its_kind(metric: Metric) -> None:
    assert re.fullmatch(r"strata_(ensemble|model)_[a-z]+(_[a-z]+)*", name_of(metric))
    assert f"| `{name_of(metric)}` | {metric.type} |" in (ROOT / "docs" / "metrics.md").read_text()


def test_the_document_names_no_other_metric() -> None:
    named = re.findall(r"^\| `(strata_\w+)`", (ROOT / "docs" / "metrics.md").read_text(), flags=re.M)
    assert sorted(named) == sorted(map(name_of, exposed()))


def test_the_board_asks_for_metrics_and_labels_that_there_are() -> None:
    kinds = {name_of(metric): metric.type for metric in exposed()}
    asked = {name.removesuffix("_bucket") for query in queries() for name in SERIES.findall(query)}
    assert asked <= kinds.keys()
    assert len(asked) > 8
    for query in queries():
        assert query.count("(") == query.count(")")
        for name in SERIES.findall(query):
            assert name.endswith("_bucket") == (kinds[name.removesuffix("_bucket")] == "histogram")


def test_panels_have_numbers_and_places_of_their_own() -> None:
    panels = json.loads(BOARD.read_text())["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    assert len({(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in panels}) == len(panels)
    assert all(panel["title"] and panel["description"] for panel in panels)


@needs_helm
def test_the_board_arrives_as_it_is_and_only_where_it_is_asked_for() -> None:
    objects = render({"grafanaDashboard": {"enabled": True, "labels": {"team": "vision"}}})
    board = objects["ConfigMap", "strata-ensemble-dashboard"]
    assert {"grafana_dashboard": "1", "team": "vision"}.items() <= board["metadata"]["labels"].items()
    assert json.loads(board["data"]["strata.json"]) == json.loads(BOARD.read_text())
    assert ("ConfigMap", "strata-ensemble-dashboard") not in render({})
