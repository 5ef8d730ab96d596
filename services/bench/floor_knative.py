"""What the ensemble adds on Knative, over bare hops there: a Ray handle and gRPC echoes, each its own Service."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from inspect import getsource
from typing import Any, TypeAlias

from services.bench import echo, echo_ray
from services.bench.clients import BlockingFrontDoorClient
from services.bench.cluster import Cluster, chart_values
from services.bench.cluster_figures import RELEASE, SLEEPERS, Images, each_with, install_models
from services.bench.echo import Hop
from services.bench.floor import RESTS_S, SCORES_BYTES, TENSOR_BYTES, answer_bytes, over_floor

Figures: TypeAlias = dict[str, float]

_FIRST = "hop"
_SOURCES = "hop-sources"
_FOLDER = "/opt/strata/services/bench"
"""Where images would have this package."""
_PORT = 8080
_FIRST_PORT = 9090
_MEMBERS = {f"{_FIRST}-{1000 * rest_s:.0f}": rest_s for rest_s in RESTS_S}


def knative_floor_ratio(
    cluster: Cluster, images: Images, rounds: int, tell: Callable[[str], None]
) -> Iterator[Figures]:
    """Ask the ensemble of sleepers and bare hops in turns, both through Ray Serve to a pod that runs."""
    tell("floor_ratio.knative: installing the ensemble of sleepers, and bare hops")
    install_models(cluster, images, each_with(SLEEPERS, {"scale": {"min": 1}}))
    door = BlockingFrontDoorClient(cluster.front_door(RELEASE))
    hops = {"apiVersion": "v1", "kind": "List", "items": bare_hops(images, cluster.namespace, answer_bytes(door))}
    cluster.kubectl("apply", "--filename", "-", standard_input=json.dumps(hops))
    try:
        cluster.kubectl("wait", "ksvc", *_MEMBERS, "--for=condition=Ready", "--timeout=120s")
        cluster.kubectl("rollout", "status", "deployment", _FIRST, "--timeout=180s")
        tell("floor_ratio.knative: the ensemble of sleepers and bare hops, in turns")
        yield over_floor("floor_ratio.knative", door, cluster.node_port(_FIRST, "grpc"), rounds)
    finally:
        cluster.kubectl("delete", "--wait=false", "--filename", "-", standard_input=json.dumps(hops))


def bare_hops(images: Images, namespace: str, reply_bytes: int) -> list[dict[str, Any]]:
    """Kubernetes objects: a first hop in the front door's place, and a Knative Service in that of each sleeper.

    Args:
        reply_bytes: of the first hop's answer.
    """
    addresses = tuple(f"{name}.{namespace}.svc.cluster.local:80" for name in _MEMBERS)
    first = Hop(reply_bytes, members=addresses, member_bytes=TENSOR_BYTES, address=f"0.0.0.0:{_FIRST_PORT}")
    sources = {"echo.py": getsource(echo), "echo_ray.py": getsource(echo_ray)}
    return [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": _SOURCES}, "data": sources},
        *(_member(images.model, name, rest_s) for name, rest_s in _MEMBERS.items()),
        _first_hop(images.ensemble, first),
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": _FIRST},
            "spec": {
                "type": "NodePort",
                "selector": {"app": _FIRST},
                "ports": [{"name": "grpc", "port": _FIRST_PORT, "targetPort": _FIRST_PORT}],
            },
        },
    ]


def _member(image: str, name: str, rest_s: float) -> dict[str, Any]:
    """In the place of a sleeper: as a model's Knative Service is by the chart's defaults, with a pod kept."""
    hop = Hop(SCORES_BYTES, rest_s, address=f"0.0.0.0:{_PORT}")
    container = {
        **_container(image, "services.bench.echo", hop),
        "ports": [{"name": "h2c", "containerPort": _PORT}],
        "resources": {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"cpu": "1", "memory": "1Gi"}},
    }
    burst = str(chart_values()["modelDefaults"]["scale"]["burstCapacity"])
    kept = {"autoscaling.knative.dev/min-scale": "1", "autoscaling.knative.dev/target-burst-capacity": burst}
    return {
        "apiVersion": "serving.knative.dev/v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {
            "template": {
                "metadata": {"annotations": kept},
                "spec": {"containers": [container], "volumes": [_sources_volume()]},
            }
        },
    }


def _first_hop(image: str, hop: Hop) -> dict[str, Any]:
    """In the place of the front door: its image and resources, a Ray head of its own."""
    container = {
        **_container(image, "services.bench.echo_ray", hop),
        "ports": [{"containerPort": _FIRST_PORT}],
        "readinessProbe": {"tcpSocket": {"port": _FIRST_PORT}, "periodSeconds": 2},
        "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"cpu": "1", "memory": "2Gi"}},
    }
    container["volumeMounts"] += [{"name": "tmp", "mountPath": "/tmp"}, {"name": "shm", "mountPath": "/dev/shm"}]
    volumes = [
        _sources_volume(),
        {"name": "tmp", "emptyDir": {}},
        {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": "256Mi"}},
    ]
    labels = {"app": _FIRST}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": _FIRST},
        "spec": {
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"enableServiceLinks": False, "containers": [container], "volumes": volumes},
            },
        },
    }


def _container(image: str, module: str, hop: Hop) -> dict[str, Any]:
    return {
        "name": "hop",
        "image": image,
        "command": ["python", "-m", module, json.dumps(asdict(hop))],
        "volumeMounts": [{"name": "sources", "mountPath": _FOLDER}],
    }


def _sources_volume() -> Mapping[str, Any]:
    return {"name": "sources", "configMap": {"name": _SOURCES}}
