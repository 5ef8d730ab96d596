"""The chart, rendered by helm over several sets of values: what it makes, what it refuses."""

import dataclasses
import functools
import inspect
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

from services.ensemble import ray_graph
from services.ensemble import settings as ensemble_settings
from services.ensemble.ensemble_file import EnsembleFile
from services.ensemble.loading import load_ensembles
from services.model import settings as model_settings
from services.zoo.model_file import ModelFile

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "strata"
SHIPPED = ["fashion-efficientnet-b0", "fashion-mobilenet-v2", "fashion-nasnet-a-mobile"]

Document: TypeAlias = dict[str, Any]
Objects: TypeAlias = dict[tuple[str, str], Document]

pytestmark = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not on the PATH")

MODEL_SETTINGS = {field.name for field in dataclasses.fields(model_settings.Settings)}
ENSEMBLE_SETTINGS = set(ensemble_settings.Settings.model_fields)
OWN_MODEL = {
    "resnet-50": {
        "file": {
            "architecture": "resnet50",
            "weights": "s3://weights/resnet50.safetensors",
            "runtime": "torch",
            "input": {"size": [224, 224], "resize": 256, "mean": [0.5, 0.5, 0.5], "std": [0.2, 0.2, 0.2]},
        },
        "secret": "weights-store",
        "traffic": {"latestPercent": 20, "stableRevision": "resnet-50-00001"},
    }
}
MEMBERS = [{"model": "fashion-mobilenet-v2"}, {"model": "fashion-efficientnet-b0", "weight": 2.0}]
PAIR = {
    "members": MEMBERS,
    "rule": "weighted",
    "mode": "parallel",
    "deadline_ms": 2000,
}
LONG_LABELS = {
    "models": {f"m{n}": {"file": {"weights": "s3://b/m.onnx", "labels": ["x" * 1000] * 130}} for n in range(2)}
}
VALUE_SETS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "kuberay": {"ensemble": {"ray": "kuberay"}},
    "rest": {"modelDefaults": {"protocol": "rest"}},
    "own": {"models": OWN_MODEL, "ensembles": {"pair": PAIR}, "images": {"pullSecrets": ["registry"]}},
}
HOOK = {
    "ServiceAccount": "v1",
    "ConfigMap": "v1",
    "Role": "rbac.authorization.k8s.io/v1",
    "RoleBinding": "rbac.authorization.k8s.io/v1",
    "Job": "batch/v1",
}
WORKLOADS = {"Deployment", "RayService"}


class Refused(Exception):
    """helm would not render; the message is its own."""


def render(values: dict[str, Any]) -> Objects:
    """Render with `values` over the chart's own; the keys of the result are (kind, name).

    Raises:
        Refused: the schema or a template refuses the values.
    """
    return _render(json.dumps(values, sort_keys=True))


@functools.cache
def _render(values: str) -> Objects:
    command = ["helm", "template", "strata", str(CHART), "--namespace", "demo", "--kube-version", "1.34.0", "-f", "-"]
    result = subprocess.run(command, input=values, capture_output=True, text=True)
    if result.returncode:
        raise Refused(result.stderr)
    documents = [document for document in yaml.safe_load_all(result.stdout) if document]
    objects = {(document["kind"], document["metadata"]["name"]): document for document in documents}
    assert len(objects) == len(documents), "two objects of one kind have one name"
    return objects


def pod_specs(objects: Objects) -> dict[str, Document]:
    """Find each object's pod specification, by "Kind/name"."""
    specs = {}
    for (kind, name), document in objects.items():
        spec = document.get("spec", {})
        if kind == "Pod":
            specs[f"{kind}/{name}"] = spec
        elif kind == "RayService":
            specs[f"{kind}/{name}"] = spec["rayClusterConfig"]["headGroupSpec"]["template"]["spec"]
        elif "template" in spec:
            specs[f"{kind}/{name}"] = spec["template"]["spec"]
    return specs


def model_of(objects: Objects, name: str) -> Document:
    """Find the Knative Service of a model."""
    (document,) = (d for (kind, n), d in objects.items() if n == name and is_knative(d))
    return document


def is_knative(document: Document) -> bool:
    """Tell Knative's Service from Kubernetes'."""
    return str(document["apiVersion"]).startswith("serving.knative.dev/")


def path_of(document: Document) -> str:
    """Find an object's place in Kubernetes' API."""
    resource = f"{document['kind'].lower()}s/{document['metadata']['name']}"
    return f"/apis/{document['apiVersion']}/namespaces/demo/{resource}"


def environment(container: Document) -> dict[str, str]:
    """Read a container's variables."""
    return {variable["name"]: variable["value"] for variable in container.get("env", []) if "value" in variable}


@pytest.fixture(params=VALUE_SETS, name="objects")
def rendered_values(request: pytest.FixtureRequest) -> Objects:
    return render(VALUE_SETS[request.param])


def test_defaults_make_three_models_and_their_front_door() -> None:
    objects = render({})
    assert {(kind, name, document["apiVersion"]) for (kind, name), document in objects.items()} == {
        *(("Service", model, "serving.knative.dev/v1") for model in SHIPPED),
        ("Deployment", "strata-ensemble", "apps/v1"),
        ("Service", "strata-ensemble", "v1"),
        ("ServiceAccount", "strata-ensemble", "v1"),
        ("Pod", "strata-test", "v1"),
        *((kind, "strata-enforce", version) for kind, version in HOOK.items()),
    }


def test_no_container_may_write_or_gain_anything(objects: Objects) -> None:
    for owner, spec in pod_specs(objects).items():
        # Only the hook asks Kubernetes for something.
        assert spec["automountServiceAccountToken"] is (owner == "Job/strata-enforce"), owner
        for container in spec["containers"]:
            assert container["securityContext"] == {
                "runAsNonRoot": True,
                "runAsUser": 10001,
                "runAsGroup": 10001,
                "readOnlyRootFilesystem": True,
                "allowPrivilegeEscalation": False,
                "capabilities": {"drop": ["ALL"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            }, owner


def test_every_container_states_requests_and_limits(objects: Objects) -> None:
    for owner, spec in pod_specs(objects).items():
        for container in spec["containers"]:
            for bound in ("requests", "limits"):
                assert set(container["resources"][bound]) >= {"cpu", "memory"}, owner


def test_every_mount_has_its_volume_and_every_config_map_exists(objects: Objects) -> None:
    for owner, spec in pod_specs(objects).items():
        volumes = {volume["name"]: volume for volume in spec.get("volumes", [])}
        for container in spec["containers"]:
            assert {mount["name"] for mount in container.get("volumeMounts", [])} <= set(volumes), owner
        for volume in volumes.values():
            sources = [volume, *volume.get("projected", {}).get("sources", [])]
            for config_map in [source["configMap"] for source in sources if "configMap" in source]:
                assert ("ConfigMap", config_map["name"]) in objects, owner


def test_names_fit_kubernetes(objects: Objects) -> None:
    for _, name in objects:
        assert re.fullmatch(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?", name)


def test_front_door_service_selects_the_front_door(objects: Objects) -> None:
    selector = objects["Service", "strata-ensemble"]["spec"]["selector"]
    if ("Deployment", "strata-ensemble") in objects:
        template = objects["Deployment", "strata-ensemble"]["spec"]["template"]
    else:
        template = objects["RayService", "strata-ensemble"]["spec"]["rayClusterConfig"]["headGroupSpec"]["template"]
    assert selector.items() <= template["metadata"]["labels"].items()
    ports = {port["name"] for container in template["spec"]["containers"] for port in container["ports"]}
    assert {port["targetPort"] for port in objects["Service", "strata-ensemble"]["spec"]["ports"]} <= ports
    test_pod = objects["Pod", "strata-test"]["metadata"]["labels"]
    assert not selector.items() <= test_pod.items(), "the test's own pod would be given requests"


def test_models_scale_to_zero_by_default() -> None:
    for model in SHIPPED:
        annotations = model_of(render({}), model)["spec"]["template"]["metadata"]["annotations"]
        assert annotations["autoscaling.knative.dev/min-scale"] == "0"


def test_a_models_own_values_override_the_defaults_key_by_key() -> None:
    values = {"models": {"fashion-mobilenet-v2": {"scale": {"min": 1}, "resources": {"limits": {"cpu": "500m"}}}}}
    objects = render(values)
    changed, other = (model_of(objects, name)["spec"]["template"] for name in SHIPPED[1::-1])
    assert changed["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "1"
    assert changed["metadata"]["annotations"]["autoscaling.knative.dev/max-scale"] == "4"
    assert changed["spec"]["containers"][0]["resources"]["limits"] == {"cpu": "500m", "memory": "1Gi"}
    assert other["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "0"


@pytest.mark.parametrize(("protocol", "port", "probe"), [("grpc", "h2c", "grpc"), ("rest", "http1", "httpGet")])
def test_protocol_sets_port_name_probe_and_variable_together(protocol: str, port: str, probe: str) -> None:
    (container,) = model_of(render({"modelDefaults": {"protocol": protocol}}), SHIPPED[0])["spec"]["template"]["spec"][
        "containers"
    ]
    assert [p["name"] for p in container["ports"]] == [port]
    assert probe in container["readinessProbe"]
    assert environment(container)["MODEL_PROTOCOL"] == protocol


def test_traffic_is_split_between_the_newest_and_the_named_revision() -> None:
    objects = render({"models": OWN_MODEL})
    assert model_of(objects, "resnet-50")["spec"]["traffic"] == [
        {"latestRevision": True, "percent": 20},
        {"revisionName": "resnet-50-00001", "percent": 80},
    ]
    assert model_of(objects, SHIPPED[0])["spec"]["traffic"] == [{"latestRevision": True, "percent": 100}]


def files_of(template: Document) -> dict[str, Document]:
    """Read the files that a pod brings along: path -> content."""
    (container,) = template["spec"]["containers"]
    folders = {mount["name"]: mount["mountPath"] for mount in container["volumeMounts"]}
    files = {}
    for volume in template["spec"]["volumes"]:
        for source in volume.get("projected", {}).get("sources", []):
            for item in source["downwardAPI"]["items"]:
                key = re.fullmatch(r"metadata\.annotations\['(.+)'\]", item["fieldRef"]["fieldPath"])
                assert key, item
                text = template["metadata"]["annotations"][key[1]]
                files[f"{folders[volume['name']]}/{item['path']}"] = yaml.safe_load(text)
    return files


def test_a_model_file_is_written_in_the_revision_that_reads_it() -> None:
    template = model_of(render({"models": OWN_MODEL}), "resnet-50")["spec"]["template"]
    variables = environment(template["spec"]["containers"][0])
    assert "MODEL_COMPILED" not in variables
    assert files_of(template) == {
        f"{variables['STRATA_MODELS']}/resnet-50.yaml": {"name": "resnet-50", **OWN_MODEL["resnet-50"]["file"]}  # type: ignore[dict-item]
    }
    changed = json.loads(json.dumps(OWN_MODEL))
    changed["resnet-50"]["file"]["runtime"] = "onnxruntime"
    assert model_of(render({"models": changed}), "resnet-50")["spec"]["template"] != template


def test_no_pod_depends_on_an_object_that_comes_and_goes_with_values(objects: Objects) -> None:
    for owner, spec in pod_specs(objects).items():
        for volume in spec.get("volumes", []) if not owner.startswith("Job/") else ():
            sources = [volume, *volume.get("projected", {}).get("sources", [])]
            assert not [source for source in sources if {"configMap", "secret"} & set(source)], owner


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
        for name in rule["resourceNames"]
    }
    assert set(enforced) <= allowed


def test_the_hook_leaves_nothing_behind(objects: Objects) -> None:
    hooks = [document for (_, name), document in objects.items() if name == "strata-enforce"]
    assert {document["kind"] for document in hooks} == set(HOOK)
    for document in hooks:
        annotations = document["metadata"]["annotations"]
        assert annotations["helm.sh/hook"] == "post-upgrade,post-rollback"
        assert annotations["helm.sh/hook-delete-policy"] == "before-hook-creation,hook-succeeded"


def test_front_door_sees_the_declared_model_files() -> None:
    template = render({"models": OWN_MODEL})["Deployment", "strata-ensemble"]["spec"]["template"]
    folder = environment(template["spec"]["containers"][0])["STRATA_MODELS"].split(":")[0]
    assert files_of(template) == {
        f"{folder}/resnet-50.yaml": {"name": "resnet-50", **OWN_MODEL["resnet-50"]["file"]}  # type: ignore[dict-item]
    }


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


def test_a_new_chart_version_alone_starts_no_new_pod() -> None:
    for owner, document in render({}).items():
        labels = document.get("spec", {}).get("template", {}).get("metadata", {}).get("labels", {})
        assert not {"helm.sh/chart", "app.kubernetes.io/version"} & set(labels), owner


def test_members_are_called_inside_the_cluster_by_their_service_names() -> None:
    (container,) = render({"clusterDomain": "corp.local"})["Deployment", "strata-ensemble"]["spec"]["template"]["spec"][
        "containers"
    ]
    members = json.loads(environment(container)["ENSEMBLE_MEMBERS"])
    assert sorted(members) == SHIPPED
    assert members[SHIPPED[0]]["authority"] == f"{SHIPPED[0]}.demo.svc.corp.local"


def test_the_front_door_knows_what_each_member_takes_in_one_call() -> None:
    objects = render({"models": {SHIPPED[0]: {"maxBatch": 1, "maxMessageBytes": 200_000_000}}})
    (container,) = objects["Deployment", "strata-ensemble"]["spec"]["template"]["spec"]["containers"]
    settings = ensemble_settings.settings_from(environment(container))
    own, other = (settings.members[name] for name in SHIPPED[:2])
    assert (own.max_batch, own.max_message_bytes) == (1, 200_000_000)
    assert other.max_batch == 64


def test_declared_ensembles_reach_the_front_door() -> None:
    template = render({"ensembles": {"pair": PAIR}})["Deployment", "strata-ensemble"]["spec"]["template"]
    (container,) = template["spec"]["containers"]
    path = environment(container)["ENSEMBLE_FILES"].split(":")[-1]
    assert files_of(template) == {path: {"name": "pair", **PAIR}}


def test_kuberay_takes_the_place_of_the_deployment() -> None:
    objects = render({"ensemble": {"ray": "kuberay"}})
    assert ("Deployment", "strata-ensemble") not in objects
    spec = pod_specs(objects)["RayService/strata-ensemble"]
    head, door = spec["containers"]
    assert door["name"] == "ensemble"
    # What the front door needs to join the head beside it: its processes, its files, its token.
    assert spec["shareProcessNamespace"] is True
    assert ("Secret", "strata-ensemble-ray") in objects
    assert {mount["mountPath"] for mount in head["volumeMounts"]} >= {"/tmp", "/dev/shm"}
    assert head["volumeMounts"] == door["volumeMounts"]


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"model": {}}, "model"),
        ({"modelDefaults": {"protocoll": "grpc"}}, "protocoll"),
        ({"modelDefaults": {"protocol": "http"}}, "/modelDefaults/protocol"),
        ({"modelDefaults": {"scale": {"min": "0"}}}, "/modelDefaults/scale/min"),
        ({"modelDefaults": {"scale": {"min": -1}}}, "/modelDefaults/scale/min"),
        ({"modelDefaults": {"timeoutS": 601}}, "/modelDefaults/timeoutS"),
        ({"modelDefaults": {"resources": {"limits": {"cpu": "lots"}}}}, "/modelDefaults/resources/limits/cpu"),
        ({"modelDefaults": {"resources": {"limits": {"gpu": 1}}}}, "gpu"),
        ({"models": {"Fashion_MobileNet": {}}}, "Fashion_MobileNet"),
        ({"models": {"m": {"trafic": {}}}}, "trafic"),
        ({"models": {"m": {"traffic": {"latestPercent": 20}}}}, "stableRevision"),
        ({"models": {"m": {"traffic": {"latestPercent": 120, "stableRevision": "m-1"}}}}, "latestPercent"),
        ({"models": {"m": {"file": {"weights": "random://1", "wieghts": "random://1"}}}}, "wieghts"),
        ({"models": {"m": {"file": {"weights": "resnet50.safetensors"}}}}, "/models/m/file/weights"),
        ({"models": {"m": {"file": {"weights": "random://1", "runtime": "tensorrt"}}}}, "/models/m/file/runtime"),
        ({"ensemble": {"ray": "true"}}, "/ensemble/ray"),
        ({"ensemble": {"replica": 2}}, "replica"),
        ({"ensembles": {"pair": {**PAIR, "rule": "median"}}}, "/ensembles/pair/rule"),
        ({"ensembles": {"pair": {"members": []}}}, "/ensembles/pair/members"),
        ({"ensembles": {"pair": {"members": [{"model": "alexnet"}]}}}, 'member "alexnet"'),
        ({"ensembles": {"p" * 53: PAIR}}, "p" * 53),
        ({"ensembles": {"pair": {**PAIR, "rule": "mean"}}}, "/ensembles/pair/members/1/weight"),
        ({"ensembles": {"pair": {"members": MEMBERS}}}, "/ensembles/pair/members/1/weight"),
        ({"ensembles": {"pair": {**PAIR, "members": [*MEMBERS, {"model": SHIPPED[0]}]}}}, "named twice"),
        ({"ensembles": {"pair": {"members": [{"model": f"m{n}"} for n in range(11)]}}}, "/ensembles/pair/members"),
        ({"ensemble": {"files": []}}, "at least one ensemble"),
        ({"models": {"m": {"file": {"weights": "s3://b/m.safetensors"}}}}, "architecture"),
        ({"models": {"m": {"file": {"weights": "s3://b/m.pt2", "architecture": "alexnet"}}}}, "architecture"),
        ({"modelDefaults": {"maxQueue": 0}}, "/modelDefaults/maxQueue"),
        ({"ensemble": {"maxOngoing": 0}}, "/ensemble/maxOngoing"),
        ({"modelDefaults": {"protocol": "rest"}, "ensembles": {"pair": PAIR}}, "protocol grpc"),
        ({"images": {"model": ""}}, "/images/model"),
        ({"models": {SHIPPED[0]: {"scale": {"min": 5}}}}, f"models.{SHIPPED[0]}: scale.min 5 is over scale.max 4"),
        ({"modelDefaults": {"resources": {"requests": {"cpu": "1001m"}}}}, "requests.cpu 1001m is over"),
        ({"models": {SHIPPED[0]: {"resources": {"requests": {"memory": "2Gi"}}}}}, f"models.{SHIPPED[0]}: resources"),
        ({"ensemble": {"resources": {"requests": {"memory": 3e9}}}}, "ensemble: resources.requests.memory"),
        (LONG_LABELS, "and a pod carries at most 250000"),
        ({"models": {"strata-ensemble": OWN_MODEL["resnet-50"]}}, "models.strata-ensemble: the front door's own"),
    ],
)
def test_wrong_values_fail_at_install_and_are_named(values: dict[str, Any], named: str) -> None:
    with pytest.raises(Refused, match=re.escape(named)):
        render(values)


def test_a_release_is_named_as_its_service_may_be() -> None:
    command = ["helm", "template", "1st", str(CHART), "--kube-version", "1.34.0"]
    result = subprocess.run(command, capture_output=True, text=True)
    assert result.returncode
    assert 'release name "1st": begin it with a letter' in result.stderr


@pytest.mark.parametrize(
    "values",
    [
        {"ensembles": {"p" * 52: {"members": [{"model": SHIPPED[0]}]}}, "ensemble": {"files": []}},
        {"ensembles": {"pair": {"members": [{"model": SHIPPED[0], "weight": 1.0}], "rule": "mean"}}},
        {"models": {"m": {"file": {"weights": "s3://b/m.pt2"}}}},
        {"models": {"m": {"file": {"weights": "random://1", "architecture": "alexnet"}}}},
        {"modelDefaults": {"scale": {"min": 5, "max": 0}, "resources": {"requests": {"cpu": "1000m", "memory": 1e9}}}},
    ],
)
def test_what_the_services_take_the_schema_takes_too(values: dict[str, Any]) -> None:
    objects = render(values)
    template = objects["Deployment", "strata-ensemble"]["spec"]["template"]
    for path, content in files_of(template).items():
        declared = {**content, "file": Path(path), "folder": Path()}
        fields = EnsembleFile if "members" in declared else ModelFile
        fields.model_validate({key: each for key, each in declared.items() if key in fields.model_fields})


def test_the_front_door_may_wait_for_the_graph_as_long_as_it_means_to() -> None:
    _, door = pod_specs(render({"ensemble": {"ray": "kuberay"}}))["RayService/strata-ensemble"]["containers"]
    probe = door["startupProbe"]
    waits = (ray_graph.find_deployment, ray_graph.RayPredictor.wait_until_it_answers)
    longest_s = sum(inspect.signature(wait).parameters["timeout_s"].default for wait in waits)
    assert probe["periodSeconds"] * probe["failureThreshold"] > longest_s


def test_every_container_that_stays_is_probed(objects: Objects) -> None:
    for owner, spec in pod_specs(objects).items():
        for container in spec["containers"] if not owner.startswith(("Pod/", "Job/")) else ():
            assert "readinessProbe" in container, f"{owner}: {container['name']}"


def test_no_volume_grows_without_end(objects: Objects) -> None:
    for owner, spec in pod_specs(objects).items():
        for volume in spec.get("volumes", []):
            assert "emptyDir" not in volume or volume["emptyDir"]["sizeLimit"], owner


@pytest.mark.parametrize("ray", ["deployment", "kuberay"])
def test_changed_ensembles_start_new_front_doors(ray: str) -> None:
    before, after = (
        render({"ensemble": {"ray": ray}, "ensembles": {"pair": {**PAIR, "deadline_ms": deadline_ms}}})
        for deadline_ms in (1000, 2000)
    )
    (owner,) = [key for key in before if key[0] in ("Deployment", "RayService")]
    assert before[owner] != after[owner]


# What the platform gives, or the image has: nothing an installer could choose.
NOT_VALUES = {
    "MODEL_": {"SERVER", "GRPC_ADDRESS", "HTTP_ADDRESS", "THREADS", "DRAIN_S"},
    "ENSEMBLE_": {"DRAIN_S"},
}


@pytest.mark.parametrize(("prefix", "settings"), [("MODEL_", MODEL_SETTINGS), ("ENSEMBLE_", ENSEMBLE_SETTINGS)])
def test_the_chart_sets_every_setting_and_no_other(prefix: str, settings: set[str]) -> None:
    given = {
        name.removeprefix(prefix)
        for values in VALUE_SETS.values()
        for spec in pod_specs(render(values)).values()
        for container in spec["containers"]
        for name in environment(container)
        if name.startswith(prefix)
    }
    assert given | NOT_VALUES[prefix] == {name.upper() for name in settings}
    assert not given & NOT_VALUES[prefix]


def test_every_value_has_a_place_in_the_schema() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def walk(value: Any, part: Document, path: str) -> None:
        if part.get("type") != "object" or "properties" not in part:
            return
        assert part["additionalProperties"] is False, path
        for key, child in value.items():
            walk(child, part["properties"][key], f"{path}.{key}")

    walk(values, schema, "values")
    assert set(values) == set(schema["properties"]) - {"global"}


def test_every_value_is_explained() -> None:
    text = (CHART / "values.yaml").read_text().splitlines()
    keys = [i for i, line in enumerate(text) if re.match(r"^[a-zA-Z]+:", line)]
    unexplained = [
        text[i] for i in keys if not text[i - 1].startswith("#") and not text[i + 1].lstrip().startswith("#")
    ]
    assert unexplained == []
