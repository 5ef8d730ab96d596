"""The workbench in the chart: one pod at most, off until it is asked for, its work in a store."""

from typing import Any

import pytest

from services.workbench.settings import PREFIX, Settings
from tests.charts.rendered import Document, Refused, environment, model_of, needs_helm, render

pytestmark = needs_helm

NAME = "strata-workbench"
STORE = {"url": "s3://bench/sessions", "endpoint": "http://s3:7070", "secret": "bench-store"}


def template(**values: Any) -> Document:
    found: Document = model_of(render({"workbench": {"enabled": True, **values}}), NAME)["spec"]["template"]
    return found


def test_there_is_none_until_it_is_asked_for() -> None:
    assert not [name for _, name in render({}) if "workbench" in name]


def test_its_variables_are_its_settings() -> None:
    (container,) = template(store=STORE)["spec"]["containers"]
    names = {name for name in environment(container) if name.startswith(PREFIX)}
    assert names <= {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}


def test_two_pods_never_hold_one_session() -> None:
    assert template()["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"] == "1"


def test_its_work_goes_to_the_store_with_the_keys_of_a_secret() -> None:
    (container,) = template(store=STORE)["spec"]["containers"]
    variables = environment(container)
    assert (variables["WORKBENCH_STORE"], variables["AWS_ENDPOINT_URL"]) == (STORE["url"], STORE["endpoint"])
    assert container["envFrom"] == [{"secretRef": {"name": "bench-store"}}]


def test_without_a_store_it_keeps_its_work_in_the_pod() -> None:
    (container,) = template()["spec"]["containers"]
    assert environment(container)["WORKBENCH_STORE"].startswith(container["volumeMounts"][0]["mountPath"])
    assert "envFrom" not in container


def test_helm_test_steps_a_layer() -> None:
    objects = render({"workbench": {"enabled": True}})
    (container,) = objects["Pod", "strata-test-workbench"]["spec"]["containers"]
    assert container["args"] == [f"{NAME}.demo.svc.cluster.local"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"store": {"url": "file:///data"}}, "/workbench/store/url"),
        ({"store": {"endpoint": "s3:7070"}}, "/workbench/store/endpoint"),
        ({"scale": {"min": 2}}, "/workbench/scale/min"),
        ({"scale": {"window": "5s"}}, "scale.window 5s"),
        ({"scale": {"retention": "90m"}}, "scale.retention 90m"),
        ({"resources": {"requests": {"memory": "9Gi"}}}, "workbench: resources.requests.memory"),
        ({"replicas": 2}, "replicas"),
        ({"enabled": "yes"}, "/workbench/enabled"),
    ],
)
def test_what_cannot_run_is_refused_before_it_is_installed(values: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused) as refused:
        render({"workbench": {"enabled": True, **values}})
    assert named in str(refused.value)


FILE = {"architecture": "resnet18", "weights": "random://1"}


@pytest.mark.parametrize(
    "values",
    [
        {"models": {NAME: {"file": FILE}}},
        {"pipelines": {"strata": {"file": FILE, "stages": [{"name": "workbench", "last": None, "memory": "1Gi"}]}}},
    ],
    ids=["model", "stage"],
)
def test_nothing_else_can_take_its_name(values: dict[str, Any]) -> None:
    with pytest.raises(Refused, match="workbench's own Service"):
        render({"workbench": {"enabled": True}, **values})
