"""An S3 server in the cluster, versitygw over a folder of its pod: what outlives the pods of a test."""

import json
import os

from services.bench.cluster import Cluster

IMAGE = os.environ.get("VERSITYGW_IMAGE", "dev.local/versitygw:v1.8.0")
ENDPOINT = "http://s3:7070"
SECRET = "s3-keys"
_KEYS = {"AWS_ACCESS_KEY_ID": "test-key", "AWS_SECRET_ACCESS_KEY": "test-secret"}
_PLACE = {"AWS_ENDPOINT_URL": ENDPOINT, "AWS_REGION": "us-east-1"}
_LABELS = {"app": "s3"}


def start_store(cluster: Cluster, bucket: str) -> None:
    """Start it as the Service `s3`, with an empty bucket, and put its endpoint and keys into a Secret."""
    container = {
        "name": "s3",
        "image": IMAGE,
        "args": ["--port", ":7070", "--quiet", "posix", "--sidecar", "/meta", "/data"],
        "env": [
            {"name": "ROOT_ACCESS_KEY", "value": _KEYS["AWS_ACCESS_KEY_ID"]},
            {"name": "ROOT_SECRET_KEY", "value": _KEYS["AWS_SECRET_ACCESS_KEY"]},
        ],
        "readinessProbe": {"tcpSocket": {"port": 7070}, "periodSeconds": 1},
        # A folder is a bucket: the second mount is there to make it.
        "volumeMounts": [
            {"name": "data", "mountPath": "/data"},
            {"name": "data", "mountPath": "/bucket", "subPath": bucket},
            {"name": "meta", "mountPath": "/meta"},
        ],
    }
    pod = {"containers": [container], "volumes": [{"name": "data", "emptyDir": {}}, {"name": "meta", "emptyDir": {}}]}
    objects = [
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": SECRET}, "stringData": _KEYS | _PLACE},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "s3"},
            "spec": {"type": "NodePort", "selector": _LABELS, "ports": [{"name": "s3", "port": 7070}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "s3"},
            "spec": {
                "selector": {"matchLabels": _LABELS},
                "template": {"metadata": {"labels": _LABELS}, "spec": pod},
            },
        },
    ]
    listed = {"apiVersion": "v1", "kind": "List", "items": objects}
    cluster.kubectl("apply", "--filename", "-", standard_input=json.dumps(listed))
    cluster.kubectl("rollout", "status", "deployment", "s3", "--timeout=120s")


def store_environment(cluster: Cluster) -> dict[str, str]:
    """The environment of a client of it that is not in the cluster."""
    return {**_KEYS, **_PLACE, "AWS_ENDPOINT_URL": f"http://{cluster.node_port('s3', 's3')}"}
