"""The objects that a pipeline makes: a Service for each stage, a Job that publishes them, a store if none is named."""

import copy
import json
from typing import Any

import pytest

from tests.charts.rendered import PIPELINES, Objects, Refused, environment, needs_helm, render

pytestmark = needs_helm

STAGES = ("alexnet-conv-1", "alexnet-fc")


def with_change(**change: Any) -> dict[str, Any]:
    return {"alexnet": {**copy.deepcopy(PIPELINES["alexnet"]), **change}}


def container(objects: Objects, kind: str, name: str) -> dict[str, Any]:
    found: dict[str, Any] = objects[kind, name]["spec"]["template"]["spec"]["containers"][0]
    return found


def publisher(objects: Objects) -> str:
    (name,) = [name for kind, name in objects if kind == "Job" and "publish" in name]
    return name


def test_each_stage_fetches_its_own_part_of_what_the_job_publishes() -> None:
    objects = render({"pipelines": PIPELINES})
    publish = environment(container(objects, "Job", publisher(objects)))
    assert json.loads(publish["PUBLISH_STAGES"]) == {"conv-1": "conv_1", "fc": None}
    assert list(json.loads(publish["PUBLISH_STAGES"])) == ["conv-1", "fc"]
    stages = [environment(container(objects, "Service", name)) for name in STAGES]
    assert [stage["STAGE_COMPILED"] for stage in stages] == [f"{publish['PUBLISH_TO']}/{n}" for n in range(2)]
    assert {stage["STAGE_STORES"] for stage in stages} == {"s3://strata"}
    limits = [container(objects, "Service", name)["resources"]["limits"]["memory"] for name in STAGES]
    assert limits == ["640Mi", "512Mi"]


def test_a_pipeline_may_be_an_ensembles_member_and_is_found_stage_by_stage() -> None:
    ensembles = {"whole": {"members": [{"model": "alexnet"}]}}
    objects = render({"pipelines": PIPELINES, "ensembles": ensembles})
    (door,) = [objects[kind, name] for kind, name in objects if kind == "Deployment" and name.endswith("-ensemble")]
    pod = door["spec"]["template"]
    members = json.loads(environment(pod["spec"]["containers"][0])["ENSEMBLE_MEMBERS"])
    assert [stage["name"] for stage in members["alexnet"]["stages"]] == ["conv-1", "fc"]
    assert members["alexnet"]["stages"][0]["address"].startswith("alexnet-conv-1.")
    assert "alexnet_3c4f" in pod["metadata"]["annotations"]["strata.dev/model-alexnet"]
    alone = render({"pipelines": PIPELINES})
    (door,) = [alone[kind, name] for kind, name in alone if kind == "Deployment" and name.endswith("-ensemble")]
    assert "alexnet" not in environment(door["spec"]["template"]["spec"]["containers"][0])["ENSEMBLE_MEMBERS"]


def test_a_stage_has_one_record_at_a_time() -> None:
    objects = render({"pipelines": PIPELINES})
    for name in STAGES:
        template = objects["Service", name]["spec"]["template"]
        assert template["spec"]["containerConcurrency"] == 1
        annotations = template["metadata"]["annotations"]
        assert annotations["autoscaling.knative.dev/target"] == "1"
        assert (
            annotations["autoscaling.knative.dev/target-utilization-percentage"] == "100"
        )  # less is two pods a record
        assert template["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "0"


@pytest.mark.parametrize(("scratch", "storage"), [("4Gi", "5120Mi"), ("9Gi", "10240Mi"), (10_000_000_001, "10561Mi")])
def test_a_stage_may_write_its_scratch_full(scratch: str | int, storage: str) -> None:
    objects = render({"pipelines": with_change(scratch=scratch)})
    for name in STAGES:
        assert container(objects, "Service", name)["resources"]["limits"]["ephemeral-storage"] == storage


@pytest.mark.parametrize(
    "change",
    [
        {"file": {"architecture": "alexnet_3c4f", "weights": "random://1"}},
        {"runtime": "torch"},
        {"stages": [{"name": "conv-1", "last": "conv_2", "memory": "640Mi"}, PIPELINES["alexnet"]["stages"][1]]},
    ],
)
def test_another_model_or_other_cuts_are_published_anew_and_elsewhere(change: dict[str, Any]) -> None:
    before, after = render({"pipelines": PIPELINES}), render({"pipelines": with_change(**change)})
    assert publisher(before) != publisher(after)
    urls = {environment(container(objects, "Service", STAGES[0]))["STAGE_COMPILED"] for objects in (before, after)}
    assert len(urls) == 2


def test_other_memory_is_no_other_model() -> None:
    stages = [{**stage, "memory": "1Gi"} for stage in PIPELINES["alexnet"]["stages"]]
    assert publisher(render({"pipelines": PIPELINES})) == publisher(render({"pipelines": with_change(stages=stages)}))


def test_the_releases_own_store_is_there_only_where_it_is_needed() -> None:
    own = render({"pipelines": PIPELINES})
    assert ("Deployment", "strata-store") in own
    assert environment(container(own, "Service", STAGES[0]))["AWS_ENDPOINT_URL"] == (
        "http://strata-store.demo.svc.cluster.local:7070"
    )
    assert not [name for _, name in render({}) if name == "strata-store"]
    elsewhere = render({"pipelines": PIPELINES, "store": {"endpoint": "https://s3.example.org", "secret": "keys"}})
    assert not [name for _, name in elsewhere if name == "strata-store"]
    assert environment(container(elsewhere, "Service", STAGES[0]))["AWS_ENDPOINT_URL"] == "https://s3.example.org"
    (key, *_) = [
        each["valueFrom"]["secretKeyRef"]
        for each in container(elsewhere, "Service", STAGES[0])["env"]
        if "valueFrom" in each
    ]
    assert key["name"] == "keys"


def test_no_key_is_written_into_a_workload() -> None:
    objects = render({"pipelines": PIPELINES})
    secret = objects["Secret", "strata-store"]["data"]
    rest = json.dumps([document for (kind, _), document in objects.items() if kind != "Secret"])
    assert not [value for value in secret.values() if value in rest]


def test_the_hook_enforces_the_stages_too() -> None:
    objects = render({"pipelines": PIPELINES})
    enforced = json.loads(objects["ConfigMap", "strata-enforce"]["data"]["objects.json"])
    assert set(STAGES) <= {each["path"].rpartition("/")[2] for each in enforced}
    rules = objects["Role", "strata-enforce"]["rules"]
    updated = {name for rule in rules if "update" in rule["verbs"] for name in rule["resourceNames"]}
    assert {*STAGES, "strata-store"} <= updated


@pytest.mark.parametrize(
    ("values", "what"),
    [
        ({"pipelines": with_change(stages=[{"name": "a", "last": "x", "memory": "1Gi"}])}, "a is the last stage"),
        (
            {"pipelines": with_change(stages=[{"name": n, "last": None, "memory": "1Gi"} for n in "ab"])},
            "a needs its last layer",
        ),
        (
            {
                "pipelines": with_change(
                    stages=[{"name": "a", "last": "x", "memory": "1Gi"}, {"name": "a", "last": None, "memory": "1Gi"}]
                )
            },
            "a name is there twice",
        ),
        ({"pipelines": PIPELINES, "store": {"endpoint": "https://s3.example.org"}}, "store.secret must name a Secret"),
        ({"pipelines": with_change(stages=[])}, "stages"),
        ({"pipelines": PIPELINES, "store": {"url": "/folder"}}, "url"),
    ],
)
def test_what_would_fail_half_way_is_refused(values: dict[str, Any], what: str) -> None:
    with pytest.raises(Refused, match=what):
        render(values)
