"""What a pod reads is written in it, and what a release declares is enforced."""

import json
from pathlib import Path
from typing import Any

import pytest

from services.ensemble.loading import load_ensembles
from tests.charts.rendered import (
    OWN_MODEL,
    PAIR,
    ROOT,
    TASKS,
    Objects,
    environment,
    files_of,
    is_knative,
    model_of,
    needs_helm,
    path_of,
    pod_specs,
    render,
)

pytestmark = needs_helm

WORKLOADS = {"Deployment", "RayService"}


def test_a_model_file_is_written_in_the_revision_that_reads_it() -> None:
    template = model_of(render({"models": OWN_MODEL}), "resnet-50")["spec"]["template"]
    variables = environment(template["spec"]["containers"][0])
    assert "MODEL_COMPILED" not in variables
    assert files_of(template) == {
        f"{variables['STRATA_MODELS']}/resnet-50.yaml": {"name": "resnet-50", **OWN_MODEL["resnet-50"]["file"]}
    }
    changed = json.loads(json.dumps(OWN_MODEL))
    changed["resnet-50"]["file"]["runtime"] = "onnxruntime"
    assert model_of(render({"models": changed}), "resnet-50")["spec"]["template"] != template


def test_no_pod_depends_on_an_object_that_comes_and_goes_with_values(objects: Objects) -> None:
    for owner, spec in pod_specs(objects).items():
        for volume in spec.get("volumes", []) if not owner.startswith("Job/") else ():
            sources = [volume, *volume.get("projected", {}).get("sources", [])]
            assert not [source for source in sources if {"configMap", "secret"} & set(source)], owner


def test_front_door_sees_the_declared_model_files() -> None:
    template = render({"models": OWN_MODEL})["Deployment", "strata-ensemble"]["spec"]["template"]
    folder = environment(template["spec"]["containers"][0])["STRATA_MODELS"].split(":")[0]
    assert files_of(template) == {f"{folder}/resnet-50.yaml": {"name": "resnet-50", **OWN_MODEL["resnet-50"]["file"]}}


@pytest.mark.parametrize("models", [{}, OWN_MODEL])
def test_an_ensemble_by_value_finds_the_models_of_the_image(models: dict[str, Any], tmp_path: Path) -> None:
    objects = render({"models": models, "ensembles": {"pair": PAIR}})
    (container,) = objects["Deployment", "strata-ensemble"]["spec"]["template"]["spec"]["containers"]
    folders = environment(container)["STRATA_MODELS"].split(":")
    assert all(folder.startswith(("/etc/strata/", "/opt/strata/examples/")) for folder in folders)
    here = [folder.replace("/opt/strata", str(ROOT)) for folder in folders if folder.startswith("/opt/")]
    file = tmp_path / "pair.yaml"
    template = objects["Deployment", "strata-ensemble"]["spec"]["template"]
    file.write_text(json.dumps(files_of(template)["/etc/strata/ensembles/pair.yaml"]))
    assert set(load_ensembles([file], {"STRATA_MODELS": ":".join(here)})) == {"pair"}


def test_declared_ensembles_reach_the_front_door() -> None:
    template = render({"ensembles": {"pair": PAIR}})["Deployment", "strata-ensemble"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    path = environment(container)["ENSEMBLE_FILES"].split(":")[-1]
    assert files_of(template) == {path: {"name": "pair", **PAIR}}


@pytest.mark.parametrize("ray", ["deployment", "kuberay"])
def test_changed_ensembles_start_new_front_doors(ray: str) -> None:
    before, after = (
        render({"ensemble": {"ray": ray}, "ensembles": {"pair": {**PAIR, "deadline_ms": deadline_ms}}})
        for deadline_ms in (1000, 2000)
    )
    (owner,) = [key for key in before if key[0] in ("Deployment", "RayService")]
    assert before[owner] != after[owner]


def test_the_hook_enforces_every_workload_as_it_is_declared(objects: Objects) -> None:
    text = objects["ConfigMap", "strata-enforce"]["data"]["objects.json"]
    enforced = {each["path"]: each for each in json.loads(text)}
    workloads = [document for document in objects.values() if is_knative(document) or document["kind"] in WORKLOADS]
    assert enforced == {
        (path := path_of(document)): {
            "path": path,
            "labels": document["metadata"]["labels"],
            "spec": document["spec"],
        }
        for document in workloads
    }
    allowed = {
        f"/apis/{group}/v1/namespaces/demo/{resource}/{name}"
        for rule in objects["Role", "strata-enforce"]["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for name in rule.get("resourceNames", [])
        if rule["verbs"] == ["get", "update"]
    }
    assert set(enforced) <= allowed


@pytest.mark.parametrize("task", ["strata-enforce", "strata-test-workloads"])
def test_a_task_leaves_no_rights_behind(objects: Objects, task: str) -> None:
    own = [document for (_, name), document in objects.items() if name == task]
    assert {document["kind"] for document in own} == TASKS[task]
    for document in own:
        annotations = document["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == ("test" if "test" in task else "post-upgrade,post-rollback")
        kept = document["kind"] == "Pod"  # for its logs
        policy = "before-hook-creation" if kept else "before-hook-creation,hook-succeeded"
        assert annotations["helm.sh/hook-delete-policy"] == policy


def test_the_test_may_change_nothing(objects: Objects) -> None:
    assert {verb for rule in objects["Role", "strata-test-workloads"]["rules"] for verb in rule["verbs"]} == {"list"}
