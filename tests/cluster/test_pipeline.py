"""A pipeline whose stages are Knative Services: 20 records through AlexNet in four."""

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
import torch

from services.artifacts.store import ObjectStore, open_store
from services.bench.cluster import INGRESS, Cluster
from services.zoo.architectures import build
from services.zoo.manifest import InputSpec
from services.zoo.preprocessing import decode, preprocess
from services.zoo.weights import randomise
from tests.cluster.installed import MEMBERS, ROOT, images

RELEASE = "layers"
STAGES = {"conv-1": "conv_1", "conv-2": "conv_2", "conv-3": "conv_3", "fc": None}
MEMORY = {"conv-1": "768Mi", "conv-2": "384Mi", "conv-3": "384Mi", "fc": "768Mi"}
SIZE = (224, 224)
PICTURES = ROOT / "examples" / "fashion" / "pictures"


@dataclass(frozen=True)
class Pipeline:
    """Installed: where its stages answer, and how its store is reached from here."""

    cluster: Cluster
    services: str
    environment: dict[str, str]

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "services.cli", "pipeline", *words]

    def strata(self, *words: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(self.command(*words), env=self.environment, capture_output=True, text=True, timeout=600)


@pytest.fixture(scope="module")
def pipeline() -> Iterator[Pipeline]:
    cluster = Cluster("strata-e2e-pipeline", urlsplit(os.environ.get("INGRESS_URL", INGRESS)).netloc)
    cluster.claim()
    stages = [{"name": name, "last": last, "memory": MEMORY[name]} for name, last in STAGES.items()]
    cluster.install(
        RELEASE,
        {
            "images": images(),
            "models": {**dict.fromkeys(MEMBERS), MEMBERS[1]: {}},
            "ensemble": {"replicas": 0},
            "pipelines": {
                "alexnet": {
                    "file": {
                        "architecture": "alexnet_3c4f",
                        "weights": "random://0",
                        "input": {"size": list(SIZE), "resize": 256},
                    },
                    "stages": stages,
                    "runtime": "onnxruntime",
                    "scale": {"window": "6s", "max": 2},
                }
            },
            "store": {"versitygw": {"service": {"type": "NodePort"}}},
        },
    )
    services = ",".join(f"{cluster.ingress}/{cluster.authority(f'alexnet-{stage}')}" for stage in STAGES)
    yield Pipeline(cluster, services, {**os.environ, **_store(cluster)})
    if not os.environ.get("STRATA_E2E_KEEP"):
        cluster.remove(wait=False)


def _store(cluster: Cluster) -> dict[str, str]:
    """The environment of a client of the release's own S3 server."""
    port = cluster.get("service", f"{RELEASE}-store")["spec"]["ports"][0]["nodePort"]
    (node, *_) = cluster.get("nodes")["items"]
    address = next(each["address"] for each in node["status"]["addresses"] if each["type"] == "InternalIP")
    secret = cluster.get("secret", f"{RELEASE}-store")["data"]
    keys = {name: base64.b64decode(secret[name]).decode() for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    return {**keys, "AWS_ENDPOINT_URL": f"http://{address}:{port}", "AWS_REGION": "us-east-1"}


def whole_model(paths: list[Path]) -> dict[str, list[float]]:
    """The whole model's probabilities, in torch, here."""
    model = build("alexnet_3c4f", 1000).eval()
    randomise(model, 0, SIZE)
    spec = InputSpec(SIZE, 256, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), "bilinear")
    with torch.inference_mode():
        scores = model(torch.stack([preprocess(decode(path.read_bytes()), spec) for path in paths]))
        probabilities = scores.double().softmax(1).tolist()
    return {path.relative_to(PICTURES).as_posix(): row for path, row in zip(paths, probabilities, strict=True)}


def read_store(pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch) -> ObjectStore:
    """The bucket as it is seen from here."""
    for name, value in pipeline.environment.items():
        if name.startswith("AWS_"):
            monkeypatch.setenv(name, value)
    return open_store("s3://strata/out")


async def answers(store: ObjectStore, job: str) -> dict[str, Any]:
    """A job's predictions, by picture."""
    contents = [await store.read(key) for key in await store.keys(f"{job}/predictions/")]
    return {line["picture"]: line for content in contents for line in map(json.loads, content.splitlines())}


async def test_twenty_records_wake_four_stages_and_every_answer_is_the_whole_models(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pipeline.strata("pack", str(PICTURES), "--per-record", "2", "-o", "s3://strata/records")
    assert packed.returncode == 0, packed.stderr
    for stage in STAGES:
        pipeline.cluster.wait_for_zero(f"alexnet-{stage}")
    words = ["run", "alexnet", "s3://strata/records", "-o", "s3://strata/out", "--job", "twenty", "--json"]
    ran = pipeline.strata(*words, "--services", pipeline.services, "--workers", "2")
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert (report["records"], report["pictures"], report["failed_records"]) == (20, 40, [])
    assert [stage["stage"] for stage in report["stages"]] == list(STAGES)
    assert all(stage["requests"] == 20 and stage["cold_starts"] >= 1 for stage in report["stages"])
    for stage in report["stages"]:
        assert stage["peak_bytes"] < float(MEMORY[stage["stage"]].removesuffix("Mi")) * 2**20
    expected = whole_model(sorted(PICTURES.rglob("*.png")))
    found = await answers(read_store(pipeline, monkeypatch), "twenty")
    assert found.keys() == expected.keys()
    for name, line in found.items():
        assert line["scores"][0]["index"] == int(np.argmax(expected[name]))
        for score in line["scores"]:
            assert score["score"] == pytest.approx(expected[name][score["index"]], abs=1e-4)
