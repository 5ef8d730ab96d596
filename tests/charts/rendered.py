"""The chart, rendered by helm over several sets of values, and what its objects say."""

import functools
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, TypeAlias

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "strata"
SHIPPED = ["fashion-efficientnet-b0", "fashion-mobilenet-v2", "fashion-nasnet-a-mobile"]

Document: TypeAlias = dict[str, Any]
Objects: TypeAlias = dict[tuple[str, str], Document]

needs_helm = pytest.mark.skipif(shutil.which("helm") is None, reason="helm is not on the PATH")

OWN_MODEL: Document = {
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
TASKS = {
    "strata-enforce": {"ServiceAccount", "Role", "RoleBinding", "ConfigMap", "Job"},
    "strata-test-workloads": {"ServiceAccount", "Role", "RoleBinding", "Pod"},
    "strata-test": {"Pod"},
}
"""What exists only while a hook or the test runs, by its name."""
PIPELINES: Document = {
    "alexnet": {
        "file": {"architecture": "alexnet_3c4f", "weights": "random://0"},
        "stages": [
            {"name": "conv-1", "last": "conv_1", "memory": "640Mi"},
            {"name": "fc", "last": None, "memory": "512Mi"},
        ],
    }
}
VALUE_SETS: dict[str, dict[str, Any]] = {
    "defaults": {},
    "kuberay": {"ensemble": {"ray": "kuberay"}},
    "rest": {"modelDefaults": {"protocol": "rest"}, "ensemble": {"replicas": 0}},
    "small": {"ensemble": {"ray": "none"}},
    "guarded": {
        "ensemble": {"replicas": 2},
        "networkPolicy": {"enabled": True},
        "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
        "grafanaDashboard": {"enabled": True},
        "spare": {"enabled": True},
    },
    "pipeline": {"pipelines": PIPELINES, "networkPolicy": {"enabled": True}},
    "workbench": {
        "workbench": {
            "enabled": True,
            "store": {"url": "s3://bench/e2e", "endpoint": "http://s3:7070", "secret": "bench-store"},
        },
        "networkPolicy": {"enabled": True},
    },
    "console": {
        "workbench": {"enabled": True},
        "console": {
            "enabled": True,
            "secret": "console",
            "store": {"url": "s3://console/files", "endpoint": "http://s3:7070"},
            "database": {"own": True},
        },
        "networkPolicy": {"enabled": True},
    },
    "own": {"models": OWN_MODEL, "ensembles": {"pair": PAIR}, "images": {"pullSecrets": ["registry"]}},
}


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
