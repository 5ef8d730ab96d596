"""What the cluster would take of the chart, for each set of values: its own rules, and Knative's."""

import json
from collections.abc import Iterator

import pytest

from services.bench.cluster import Cluster
from tests.charts.rendered import VALUE_SETS, render
from tests.cluster.installed import namespace

_NOT_ASKED = ("RayService", "ServiceMonitor", "Pod")
"""Kinds whose definitions come with operators that need not be there; and a pod alone, whose account has to be."""


@pytest.fixture(scope="module")
def place() -> Iterator[Cluster]:
    with namespace("admitted") as beside:
        yield beside


@pytest.mark.parametrize("values", VALUE_SETS)
def test_the_cluster_takes_each_object(place: Cluster, values: str) -> None:
    objects = [each for (kind, _), each in render(VALUE_SETS[values]).items() if kind not in _NOT_ASKED]
    asked = json.dumps({"apiVersion": "v1", "kind": "List", "items": objects})
    taken = place.kubectl("apply", "--dry-run=server", "--filename", "-", standard_input=asked)
    assert len(taken.splitlines()) == len(objects)
