"""`strata load` against the installed chart: the front door by its node ports, a model through Knative's ingress."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.cluster.installed import MEMBERS, ROOT, Install

pytestmark = pytest.mark.timing

EXIT_PASS, EXIT_FAIL, EXIT_NOT_PROVED = 0, 1, 3
SCENARIO = """
about: a test on the cluster
phases: [{{seconds: 15, rate: 8}}]
request: {{pictures: {pictures}, ensemble: "{ensemble}", deadline_ms: {deadline_ms}}}
{kills}
slo: {slo}
"""
STEADY = "{latency_ms: {p90: 4000}, in_deadline: 0.9, accuracy: 0.7, cost_per_1000: 1}"


def load(
    folder: Path, target: str, *options: str, slo: str = STEADY, kills: str = "", ensemble: str = "fashion"
) -> tuple[int, dict[str, Any], str]:
    """Run one scenario; its exit code, what it wrote, and what it printed."""
    scenario, written = folder / "scenario.yaml", folder / "run.json"
    pictures = ROOT / "examples" / "fashion" / "pictures"
    scenario.write_text(SCENARIO.format(pictures=pictures, slo=slo, kills=kills, ensemble=ensemble, deadline_ms=20_000))
    command = [sys.executable, "-m", "services.cli", "load", str(scenario), "--target", target, "--json", str(written)]
    done = subprocess.run(
        [*command, *options], capture_output=True, text=True, env={**os.environ, "STRATA_STATE": str(folder)}
    )
    said = json.loads(written.read_text()) if written.exists() else {}
    return done.returncode, said, done.stdout + done.stderr


@pytest.mark.parametrize("protocol", ["grpc", "http"])
def test_a_steady_load_passes(install: Install, tmp_path: Path, protocol: str) -> None:
    target = f"grpc://{install.grpc}" if protocol == "grpc" else install.http
    code, said, output = load(tmp_path, target)
    assert code == EXIT_PASS, output
    assert said["outcomes"]["answered"] == said["requests"]


def test_one_model_is_asked_through_the_ingress(install: Install, tmp_path: Path) -> None:
    model = MEMBERS[1]
    target = f"oip://{install.cluster.ingress}/{model}"
    slo = "{latency_ms: {p90: 4000}}"
    code, said, output = load(tmp_path, target, "--authority", install.host(model), slo=slo, ensemble="")
    assert code == EXIT_PASS, output
    assert said["target"] == model


def test_an_slo_that_nothing_keeps_fails(install: Install, tmp_path: Path) -> None:
    code, _, output = load(tmp_path, f"grpc://{install.grpc}", slo="{in_deadline: 0.9, cost_per_1000: 1.0e-9}")
    assert code == EXIT_FAIL, output


def test_too_few_requests_are_not_proved(install: Install, tmp_path: Path) -> None:
    code, said, output = load(tmp_path, f"grpc://{install.grpc}", slo="{latency_ms: {p99: 15000}}")
    assert code == EXIT_NOT_PROVED, output
    assert said["outcomes"]["answered"] == said["requests"]


def test_a_killed_pod_costs_no_answer(install: Install, tmp_path: Path) -> None:
    kills = f"kills: [{{at_s: 3, model: {MEMBERS[1]}}}]"
    namespace = ("--namespace", install.cluster.namespace)
    code, said, output = load(tmp_path, f"grpc://{install.grpc}", *namespace, slo="{in_deadline: 0.9}", kills=kills)
    assert code == EXIT_PASS, output
    assert said["outcomes"]["wrong"] == 0
