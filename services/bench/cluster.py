"""What a measurement needs of a cluster: install the chart, find addresses, wait for zero."""

import base64
import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self, TypeVar
from urllib.parse import urlsplit

import yaml

from services.bench.rounds import Spread
from services.edge.errors import FailedPrecondition, Unavailable, Unsupported
from services.edge.progress import Progress

Found = TypeVar("Found")
CHART = Path(__file__).resolve().parents[2] / "charts" / "strata"
INGRESS = "http://127.0.0.1:8180"
"""Where k8s/kind.yaml puts Knative's ingress."""

LOCAL = "dev.local/"
"""Begins the names of images that were built here: no registry has them."""
_MOST_LISTED = 50
"""Of a node's images, kubelet names no more."""
_LISTED_AFTER_S = 30.0
"""A node's list of its images is at most this old."""
_WAIT_S = 420.0
_MEASURED_WITHIN_S = 60.0
_FORWARDED_WITHIN_S = 120.0
_REMOVED_WITHIN_S = 900.0
"""A pod of the chart's has ten minutes to end at most."""
_OURS = "strata.dev/disposable"
_EMPTY = "strata.dev/empty"
_READ_STAT = "print(open('/proc/1/stat').read())"
"""In Python, which each of our images has; not every base has `cat`."""
_TICKS = os.sysconf("SC_CLK_TCK")


def run(*command: str, standard_input: str | None = None) -> str:
    """Run kubectl or helm and return what it prints.

    Raises:
        Unavailable: it failed; with its own words.
        Unsupported: it is not installed.
    """
    try:
        done = subprocess.run(command, input=standard_input, capture_output=True, text=True)
    except FileNotFoundError as error:
        raise Unsupported(f"{command[0]} is not on the PATH; install it, or leave KUBECONFIG unset") from error
    if done.returncode:
        raise Unavailable(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def chart_values() -> Any:
    """The chart's values where nobody states others."""
    return yaml.safe_load((CHART / "values.yaml").read_text())


def missing_images(nodes: Sequence[Mapping[str, Any]], images: Iterable[str]) -> list[str]:
    """Find the images that were built here and are on none of the nodes; none where a node has more than it lists."""
    listed = [node["status"].get("images", []) for node in nodes]
    if any(len(each) >= _MOST_LISTED for each in listed):
        return []
    present = {name for each in listed for image in each for name in image.get("names") or ()}
    return [each for each in images if each.startswith(LOCAL) and each not in present]


def working_sets(since: str = "") -> dict[tuple[str, str], float]:
    """Namespace and name of each pod -> the bytes of memory that it holds, as its kubelet measured them last.

    Args:
        since: leaves out what was measured before this time, 2026-01-31T23:59:59Z.
    """
    found: dict[tuple[str, str], float] = {}
    for node in json.loads(run("kubectl", "get", "nodes", "--output", "json"))["items"]:
        path = f"/api/v1/nodes/{node['metadata']['name']}/proxy/stats/summary"
        found |= working_sets_of(json.loads(run("kubectl", "get", "--raw", path)), since)
    return found


def working_sets_of(summary: Mapping[str, Any], since: str = "") -> dict[tuple[str, str], float]:
    """The same of one node, from what its kubelet says; a pod that it has not measured yet is left out."""
    return {
        (pod["podRef"]["namespace"], pod["podRef"]["name"]): float(pod["memory"]["workingSetBytes"])
        for pod in summary["pods"]
        if "workingSetBytes" in pod.get("memory", {}) and pod["memory"]["time"] >= since
    }


@dataclass(frozen=True)
class Cluster:
    """One namespace of the cluster that KUBECONFIG points at.

    Attributes:
        ingress: host:port of Knative's ingress gateway as seen from here.
    """

    namespace: str
    ingress: str

    def kubectl(self, *arguments: str, standard_input: str | None = None) -> str:
        """Run kubectl in the namespace; raises as `run`."""
        return run("kubectl", "--namespace", self.namespace, *arguments, standard_input=standard_input)

    def get(self, *arguments: str) -> Any:
        """Read objects as JSON."""
        return json.loads(self.kubectl("get", *arguments, "--output", "json"))

    @contextmanager
    def claimed(self, progress: Progress) -> Iterator[Self]:
        """Have the namespace to oneself; it is removed at the end. Raises as `claim`."""
        self.claim()
        try:
            yield self
        finally:
            progress("removing the namespace")
            self.remove()

    def claim(self) -> None:
        """Create the namespace, labelled as one that may be removed; what an earlier run left of it goes first.

        Raises:
            FailedPrecondition: it exists and is not labelled: what is in it is somebody's.
        """
        self.remove()
        (*left,) = json.loads(run("kubectl", "get", *self._named(), "--output", "json"))["items"]
        if left:
            raise FailedPrecondition(
                f"namespace '{self.namespace}' exists and is not one of ours (label {_OURS}), which are removed "
                "afterwards; name one that does not exist"
            )
        metadata = {"name": self.namespace, "labels": {_OURS: "true"}}
        made = {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata}
        run("kubectl", "create", "--filename", "-", standard_input=json.dumps(made))

    def check_images(self, images: Iterable[str]) -> None:
        """See that what no registry has is on a node: otherwise an install waits for it until it gives up.

        Raises:
            FailedPrecondition: names what is missing.
        """
        images = list(images)
        limit = time.monotonic() + _LISTED_AFTER_S
        while missing := missing_images(self.get("nodes")["items"], images):
            if time.monotonic() > limit:
                raise FailedPrecondition(
                    f"{' and '.join(missing)}: on no node of the cluster; `make image IMAGE_TAG=bench` builds Strata's"
                )
            time.sleep(1.0)

    def install(self, release: str, values: Mapping[str, object]) -> None:
        """Install or change the chart's release and wait until everything is ready."""
        command = ("helm", "upgrade", "--install", release, str(CHART), "--namespace", self.namespace)
        options = ("--reset-values", "--values", "-")
        run(*command, *options, standard_input=json.dumps(values))
        self.kubectl("rollout", "status", "deployment", f"{release}-ensemble", f"--timeout={_WAIT_S:.0f}s")
        self.kubectl("wait", "ksvc", "--all", "--for=condition=Ready", f"--timeout={_WAIT_S:.0f}s")

    def front_door(self, release: str) -> str:
        """host:port of the front door's gRPC port, which must be a NodePort."""
        return self.node_port(f"{release}-ensemble", "grpc")

    def store_environment(self, release: str) -> dict[str, str]:
        """The environment of a client of the release's own S3 server, whose port must be a NodePort."""
        secret = self.get("secret", f"{release}-store")["data"]
        names = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
        keys = {name: base64.b64decode(secret[name]).decode() for name in names}
        endpoint = f"http://{self.node_port(f'{release}-store', 's3')}"
        return {**keys, "AWS_ENDPOINT_URL": endpoint, "AWS_REGION": "us-east-1"}

    def node_port(self, service: str, name: str) -> str:
        """host:port of a node at which a named port of a Service, a NodePort, is reached from here.

        Raises:
            Unavailable: nothing answers there within two minutes: a node forwards a port some time after it is given.
        """
        port = next(each["nodePort"] for each in self.get("service", service)["spec"]["ports"] if each["name"] == name)
        (node, *_) = self.get("nodes")["items"]
        address: str = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
        found = f"{address}:{port}"
        return _until(lambda: found if _answers(address, port) else None, _FORWARDED_WITHIN_S, f"nothing is at {found}")

    def authority(self, service: str) -> str:
        """The name the ingress knows a Knative Service by."""
        url: str = self.get("ksvc", service)["status"]["url"]
        return urlsplit(url).netloc

    def wait_for_zero(self, service: str) -> None:
        """Wait until a Knative Service has no pod, not even one on its way out.

        Raises:
            Unavailable: it still has one after seven minutes.
        """
        selector = f"serving.knative.dev/service={service}"
        _until(
            lambda: not self.get("pods", "--selector", selector)["items"] or None,
            _WAIT_S,
            f"a pod of {service} is still there",
        )

    def cpu_seconds(self, service: str, container: str) -> float:
        """What the first process of a container of a Knative Service's pod has used since it was started."""
        (pod, *_) = self.get("pods", "--selector", f"serving.knative.dev/service={service}")["items"]
        command = ("exec", pod["metadata"]["name"], "--container", container, "--", "python", "-c", _READ_STAT)
        fields = self.kubectl(*command).rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def held_bytes(self, deployment: str) -> float:
        """What a Deployment's one pod holds of the memory, once its kubelet has measured it anew.

        Raises:
            Unavailable: it has not within a minute.
        """
        labels = self.get("deployment", deployment)["spec"]["selector"]["matchLabels"]
        selector = ",".join(f"{name}={value}" for name, value in labels.items())
        since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())

        def held() -> float | None:
            (pod, *_) = self.get("pods", "--selector", selector)["items"]
            return working_sets(since).get((self.namespace, pod["metadata"]["name"]))

        return _until(held, _MEASURED_WITHIN_S, f"kubelet has not measured the pod of {deployment}")

    def cores(self) -> float:
        """What all nodes have for pods."""
        return sum(_cpus(node["status"]["allocatable"]["cpu"]) for node in self.get("nodes")["items"])

    def remove(self, wait: bool = True) -> None:
        """Delete the namespace and all that is in it, if it is one that `claim` created.

        Raises:
            Unavailable: it is still there after a quarter of an hour.
        """
        ours = (*self._named(), "--selector", _OURS)
        run("kubectl", "delete", *ours, "--wait=false")
        if not wait or not json.loads(run("kubectl", "get", *ours, "--output", "json"))["items"]:
            return
        there = f"pods of namespace {self.namespace} are still there"
        _until(lambda: not self.get("pods")["items"] or None, _REMOVED_WITHIN_S, there)
        # Kubernetes looks again after half of the longest grace of the pods that it saw, which is five minutes for a
        # stage's, however soon they end; where the namespace changes, it looks at once.
        run("kubectl", "annotate", *ours, f"{_EMPTY}=true", "--overwrite")
        run("kubectl", "wait", "--for=delete", *ours, f"--timeout={_REMOVED_WITHIN_S:.0f}s")

    def _named(self) -> tuple[str, ...]:
        return "namespaces", "--field-selector", f"metadata.name={self.namespace}"


def least_start_s(alone: Mapping[str, Spread], cpu_s: Mapping[str, Spread], cores: float) -> tuple[float, float]:
    """What parts that start together take at least: as long as the slowest alone; all their CPU time over the cores."""
    return max(each.median for each in alone.values()), sum(each.median for each in cpu_s.values()) / cores


def _until(ask: Callable[[], Found | None], within_s: float, otherwise: str) -> Found:
    """Ask twice a second until there is an answer. Raises Unavailable, with what is the case without one."""
    limit = time.monotonic() + within_s
    while (found := ask()) is None:
        if time.monotonic() > limit:
            raise Unavailable(f"{otherwise} after {within_s:.0f} s")
        time.sleep(0.5)
    return found


def _answers(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port), timeout=1).close()
    except OSError:
        return False
    return True


def _cpus(quantity: str) -> float:
    return float(quantity.removesuffix("m")) / 1000 if quantity.endswith("m") else float(quantity)
