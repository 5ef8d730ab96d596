"""A pipeline whose stages are Knative Services: 20 records through AlexNet in four, and a pod killed at work."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from services.artifacts.store import ObjectStore, open_store
from services.bench.cluster import Cluster
from services.zoo.architectures import build
from services.zoo.manifest import InputSpec
from services.zoo.preprocessing import decode, preprocess
from services.zoo.weights import randomise
from tests.cluster.installed import MEMBERS, ROOT, images, namespace

RELEASE = "layers"
STAGES = {"conv-1": "conv_1", "conv-2": "conv_2", "conv-3": "conv_3", "fc": None}
MEMORY = {"conv-1": "768Mi", "conv-2": "384Mi", "conv-3": "384Mi", "fc": "768Mi"}
SIZE = (224, 224)
PICTURES = ROOT / "examples" / "fashion" / "pictures"

COPIES = 12
"""Of all pictures in one record: a quarter of a CPU is at work on them for longer than a killed pod is left to live."""


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
    with namespace("pipeline") as cluster:
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
                        "limits": {"cpu": "250m"},
                        "scale": {"window": "30s", "max": 2},
                    }
                },
                "store": {"versitygw": {"service": {"type": "NodePort"}}},
            },
        )
        services = ",".join(f"{cluster.ingress}/{cluster.authority(f'alexnet-{stage}')}" for stage in STAGES)
        yield Pipeline(cluster, services, {**os.environ, **cluster.store_environment(RELEASE)})


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


def run_words(pipeline: Pipeline, records: str, job: str) -> list[str]:
    return [
        *("run", "alexnet", f"s3://strata/{records}", "-o", "s3://strata/out", "--job", job, "--json"),
        *("--services", pipeline.services, "--workers", "2"),
    ]


def check(found: dict[str, Any], expected: dict[str, list[float]]) -> None:
    """Every picture has the whole model's answer."""
    assert found.keys() == expected.keys()
    for name, line in found.items():
        assert line["scores"][0]["index"] == int(np.argmax(expected[name]))
        for score in line["scores"]:
            assert score["score"] == pytest.approx(expected[name][score["index"]], abs=1e-4)


async def test_twenty_records_wake_four_stages_and_every_answer_is_the_whole_models(
    pipeline: Pipeline, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = pipeline.strata("pack", str(PICTURES), "--per-record", "2", "-o", "s3://strata/records")
    assert packed.returncode == 0, packed.stderr
    for stage in STAGES:
        pipeline.cluster.wait_for_zero(f"alexnet-{stage}")
    ran = pipeline.strata(*run_words(pipeline, "records", "twenty"))
    assert ran.returncode == 0, ran.stderr
    report = json.loads(ran.stdout)
    assert (report["records"], report["pictures"], report["failed_records"]) == (20, 40, [])
    assert [stage["stage"] for stage in report["stages"]] == list(STAGES)
    assert all(stage["requests"] == 20 and stage["cold_starts"] >= 1 for stage in report["stages"])
    for stage in report["stages"]:
        assert stage["peak_bytes"] < float(MEMORY[stage["stage"]].removesuffix("Mi")) * 2**20
    store = read_store(pipeline, monkeypatch)
    check(await answers(store, "twenty"), whole_model(sorted(PICTURES.rglob("*.png"))))


@pytest.mark.timing
async def test_a_pod_that_is_killed_at_work_costs_a_retry_and_no_answer(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for copy in range(COPIES):
        shutil.copytree(PICTURES, tmp_path / "large" / str(copy))
    packed = pipeline.strata("pack", str(tmp_path / "large"), "--per-record", "1000", "-o", "s3://strata/large")
    assert packed.returncode == 0, packed.stderr
    store = read_store(pipeline, monkeypatch)
    with (tmp_path / "log").open("w") as log:
        running = subprocess.Popen(
            pipeline.command(*run_words(pipeline, "large", "killed")),
            env=pipeline.environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
        limit = time.monotonic() + 300
        while not await store.exists("killed/job.json"):  # all stages are awake, and the first gets its record
            assert running.poll() is None, (tmp_path / "log").read_text()
            assert time.monotonic() < limit
            await asyncio.sleep(0.1)
        await asyncio.sleep(1)
        assert not await store.keys("killed/activations/")
        selector = "serving.knative.dev/service=alexnet-conv-1"
        # One second is the shortest: with none the pod is only forgotten, and its process goes on.
        pipeline.cluster.kubectl("delete", "pod", "--selector", selector, "--grace-period=1", "--wait=false")
        output, _ = running.communicate(timeout=300)
    assert running.returncode == 0, (tmp_path / "log").read_text()
    report = json.loads(output)
    assert report["retries"] >= 1
    assert (report["records"], report["pictures"], report["failed_records"]) == (1, 40 * COPIES, [])
    expected = whole_model(sorted(PICTURES.rglob("*.png")))
    found = await answers(store, "killed")
    check(found, {f"{copy}/{name}": row for copy in range(COPIES) for name, row in expected.items()})


async def test_a_submitted_job_runs_beside_its_stages_and_ends_with_its_drivers_code(
    pipeline: Pipeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    some = tmp_path / "some"
    shutil.copytree(PICTURES / "Coat", some / "Coat")
    packed = pipeline.strata("pack", str(some), "--per-record", "2", "-o", "s3://strata/some")
    assert packed.returncode == 0, packed.stderr
    where = ["-o", "s3://strata/out", "--namespace", pipeline.cluster.namespace]
    words = ["submit", "alexnet", "s3://strata/some", *where]
    ran = pipeline.strata(*words, "--job", "sent", "--json")
    assert ran.returncode == 0, ran.stderr
    paths = sorted(some.rglob("*.png"))
    assert json.loads(ran.stdout)["pictures"] == len(paths)
    expected = whole_model([PICTURES / path.relative_to(some) for path in paths])
    check(await answers(read_store(pipeline, monkeypatch), "sent"), expected)
    again = pipeline.strata(*words, "--job", "sent")
    assert again.returncode == 2
    assert "a Job 'alexnet-sent' is in namespace" in again.stderr
    missing = pipeline.strata("submit", "alexnet", "s3://strata/nothing", *where, "--job", "empty")
    assert missing.returncode == 2
    assert "no records here" in missing.stderr
    nobody = pipeline.strata("submit", "resnet", "s3://strata/some", *where)
    assert nobody.returncode == 2
    assert "no pipeline 'resnet' in namespace" in nobody.stderr
