"""The objects that the chart makes."""

import inspect
import json
import re

import pytest

from services.edge.receipts import CLOUD_RUN
from services.ensemble import ray_graph
from services.ensemble import settings as ensemble_settings
from tests.charts.rendered import (
    OWN_MODEL,
    PIPELINES,
    SHIPPED,
    TASKS,
    VALUE_SETS,
    Document,
    Objects,
    environment,
    is_knative,
    model_of,
    needs_helm,
    pod_specs,
    render,
)

pytestmark = needs_helm


def test_defaults_make_three_models_and_their_front_door() -> None:
    objects = render({})
    tasks = {(kind, name) for name, kinds in TASKS.items() for kind in kinds}
    assert tasks <= set(objects)
    assert {(kind, name, objects[kind, name]["apiVersion"]) for kind, name in set(objects) - tasks} == {
        *(("Service", model, "serving.knative.dev/v1") for model in SHIPPED),
        ("Deployment", "strata-ensemble", "apps/v1"),
        ("Service", "strata-ensemble", "v1"),
        ("ServiceAccount", "strata-ensemble", "v1"),
    }


def test_no_container_may_write_or_gain_anything(objects: Objects) -> None:
    for owner, spec in pod_specs(objects).items():
        # Only the hook, the test and the console ask Kubernetes for something: their accounts give them tokens.
        asks = owner in ("Job/strata-enforce", "Pod/strata-test-workloads", "Service/strata-console")
        assert spec.get("automountServiceAccountToken") is (None if asks else False), owner
        account = objects.get(("ServiceAccount", spec.get("serviceAccountName", "")), {})
        assert account.get("automountServiceAccountToken", False) is asks, owner
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
    for (kind, _), document in objects.items():
        labels = document["spec"]["template"] if kind == "Job" else document
        if kind in ("Pod", "Job"):
            assert not selector.items() <= labels["metadata"]["labels"].items(), "a task's pod would be given requests"


@pytest.mark.parametrize(("replicas", "budgets"), [(1, 0), (2, 1)])
def test_a_disruption_budget_comes_with_the_second_front_door(replicas: int, budgets: int) -> None:
    objects = render({"ensemble": {"replicas": replicas}})
    found = [document["spec"] for (kind, _), document in objects.items() if kind == "PodDisruptionBudget"]
    assert len(found) == budgets
    labels = objects["Deployment", "strata-ensemble"]["spec"]["template"]["metadata"]["labels"]
    for spec in found:
        assert spec["maxUnavailable"] == 1
        assert spec["selector"]["matchLabels"].items() <= labels.items()


def selects(selector: Document, labels: Document) -> bool:
    """As Kubernetes does it, with those operators that the chart has."""
    expressions = selector.get("matchExpressions", [])
    assert all(each["operator"] == "In" for each in expressions)
    given = selector.get("matchLabels", {}).items() <= labels.items()
    return given and all(labels.get(each["key"]) in each["values"] for each in expressions)


@pytest.mark.parametrize("values", [name for name, each in VALUE_SETS.items() if "networkPolicy" in each])
def test_each_pod_behind_knative_has_a_policy(values: str) -> None:
    objects = render(VALUE_SETS[values])
    policies = [document["spec"] for (kind, _), document in objects.items() if kind == "NetworkPolicy"]
    for document in filter(is_knative, objects.values()):
        labels = document["spec"]["template"]["metadata"]["labels"]
        assert sum(selects(policy["podSelector"], labels) for policy in policies) == 1, document["metadata"]["name"]


def test_policies_let_only_requests_in() -> None:
    clients = [{"podSelector": {"matchLabels": {"app": "web"}}}]
    objects = render({"networkPolicy": {"enabled": True, "clients": clients, "knativeNamespaces": ["knative", "edge"]}})
    door, models = (objects["NetworkPolicy", name]["spec"] for name in ("strata-ensemble", "strata-models"))
    template = objects["Deployment", "strata-ensemble"]["spec"]["template"]
    assert door["podSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()
    (rule,) = door["ingress"]
    (container,) = template["spec"]["containers"]
    assert {port["port"] for port in rule["ports"]} == {port["name"] for port in container["ports"]}
    *given, test = rule["from"]
    assert given == clients
    labels = objects["Pod", "strata-test"]["metadata"]["labels"]
    assert test["podSelector"]["matchLabels"].items() <= labels.items()
    labels = model_of(objects, SHIPPED[0])["spec"]["template"]["metadata"]["labels"]
    assert selects(models["podSelector"], labels)
    ((peer,),) = (rule["from"] for rule in models["ingress"])
    assert peer["namespaceSelector"]["matchExpressions"][0]["values"] == ["knative", "edge"]


def test_a_monitor_scrapes_the_front_doors_service() -> None:
    objects = render({"serviceMonitor": {"enabled": True, "interval": "15s", "labels": {"release": "prometheus"}}})
    monitor, service = objects["ServiceMonitor", "strata-ensemble"], objects["Service", "strata-ensemble"]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    (endpoint,) = monitor["spec"]["endpoints"]
    assert endpoint == {"port": "http", "path": "/metrics", "interval": "15s"}
    assert "http" in {port["name"] for port in service["spec"]["ports"]}


def test_whatever_answers_requests_sends_its_traces_to_the_collector() -> None:
    endpoint = "http://collector:4317"
    objects = render({"tracing": {"endpoint": endpoint}, "pipelines": PIPELINES})
    sending = {
        owner.partition("/")[2]
        for owner, spec in pod_specs(objects).items()
        if environment(spec["containers"][0]).get("OTEL_EXPORTER_OTLP_ENDPOINT") == endpoint
    }
    assert sending == {*SHIPPED, "strata-ensemble", "alexnet-conv-1", "alexnet-fc"}


PLACEMENT = {
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "gpu", "operator": "Exists"}],
    "affinity": {"podAntiAffinity": {}},
    "topologySpreadConstraints": [{"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway"}],
    "priorityClassName": "high",
}


@pytest.mark.parametrize("ray", ["deployment", "none", "kuberay"])
def test_every_pod_runs_where_values_say(ray: str) -> None:
    more = {"podAnnotations": {"example.org/team": "pictures"}, "extraEnv": [{"name": "TEAM", "value": "pictures"}]}
    objects = render({"ensemble": {"ray": ray, **PLACEMENT, **more}, "modelDefaults": {**PLACEMENT, **more}})
    specs = pod_specs(objects)
    assert len(specs) == len(SHIPPED) + 4
    for owner, spec in specs.items():
        assert {field: spec[field] for field in PLACEMENT} == PLACEMENT, owner
        if not owner.startswith(("Pod/", "Job/")):
            assert all(environment(container)["TEAM"] == "pictures" for container in spec["containers"]), owner
    annotated = json.dumps([document for document in objects.values() if document["kind"] != "ConfigMap"])
    assert annotated.count('"example.org/team": "pictures"') == len(SHIPPED) + 1


def test_all_of_a_release_is_part_of_strata(objects: Objects) -> None:
    for owner, document in objects.items():
        assert document["metadata"]["labels"]["app.kubernetes.io/part-of"] == "strata", owner


def test_the_container_beside_a_model_gets_what_a_quota_asks_for() -> None:
    resources = {"requests": {"cpu": "10m", "memory": "50Mi"}, "limits": {"cpu": 1, "ephemeral-storage": 1_000_000_000}}
    objects = render({"modelDefaults": {"queueProxy": {"resources": resources}}})
    template = model_of(objects, SHIPPED[0])["spec"]["template"]
    prefix = "queue.sidecar.serving.knative.dev/"
    found = {key: value for key, value in template["metadata"]["annotations"].items() if key.startswith(prefix)}
    assert found == {
        f"{prefix}cpu-resource-request": "10m",
        f"{prefix}memory-resource-request": "50Mi",
        f"{prefix}cpu-resource-limit": "1",
        f"{prefix}ephemeral-storage-resource-limit": "1000000000",
    }


def test_a_small_install_runs_the_graph_in_the_front_door() -> None:
    (container,) = render({"ensemble": {"ray": "none"}})["Deployment", "strata-ensemble"]["spec"]["template"]["spec"][
        "containers"
    ]
    assert environment(container)["ENSEMBLE_EXECUTOR"] == "embedded"
    assert [mount["mountPath"] for mount in container["volumeMounts"]] == ["/tmp", "/var/lib/strata/receipts"]


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
    assert changed["spec"]["containers"][0]["resources"]["limits"] == {
        "cpu": "500m",
        "memory": "1Gi",
        "ephemeral-storage": "5Gi",
    }
    assert other["metadata"]["annotations"]["autoscaling.knative.dev/min-scale"] == "0"


@pytest.mark.parametrize(("protocol", "port", "probe"), [("grpc", "h2c", "grpc"), ("rest", "http1", "httpGet")])
def test_protocol_sets_port_name_probe_and_variable_together(protocol: str, port: str, probe: str) -> None:
    objects = render({"modelDefaults": {"protocol": protocol}, "ensemble": {"replicas": 0}})
    (container,) = model_of(objects, SHIPPED[0])["spec"]["template"]["spec"]["containers"]
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
    assert other.places == 8  # two for each of four pods
    assert settings.prices() == CLOUD_RUN


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
