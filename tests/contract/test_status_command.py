"""`strata status` over a kubectl that answers from files."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.contract.command import run_strata

KUBECTL = """#!/usr/bin/env python3
import pathlib, sys
arguments = [each for each in sys.argv[1:] if not each.startswith("--request-timeout")]
if arguments[0] == "config":
    print("demo")
else:
    kind = arguments[-1].partition("?")[0].rpartition("/")[2]
    file = pathlib.Path(__file__).parent / f"{kind}.json"
    if not file.exists():
        sys.exit("Error from server (NotFound): the server could not find the requested resource")
    print(file.read_text())
"""


def model(state: str, message: str = "") -> dict[str, Any]:
    condition = {"type": "Ready", "status": state, "reason": "RevisionFailed" if message else "", "message": message}
    status = {"latestCreatedRevisionName": "m-00001", "latestReadyRevisionName": "m-00001", "conditions": [condition]}
    labels = {"app.kubernetes.io/component": "model"}
    traffic = [{"revisionName": "m-00001", "percent": 100}]
    return {"metadata": {"name": "m", "labels": labels}, "status": {**status, "traffic": traffic}}


def status(folder: Path, services: list[dict[str, Any]] | None, *options: str) -> "subprocess.CompletedProcess[str]":
    (folder / "kubectl").write_text(KUBECTL)
    (folder / "kubectl").chmod(0o755)
    for kind, items in (("services", services), ("revisions", []), ("deployments", []), ("pods", [])):
        if items is not None:
            (folder / f"{kind}.json").write_text(json.dumps({"items": items}))
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "COLUMNS": "200"}
    return run_strata(environment, "status", *options)


def test_a_kubectl_without_a_cluster_is_said_with_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "kubectl").write_text(
        "#!/bin/sh\necho 'error: current-context must exist in order to minify' >&2; exit 1\n"
    )
    (tmp_path / "kubectl").chmod(0o755)
    done = run_strata({**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}, "status")
    assert done.returncode == 1
    assert "kubectl points at no cluster: set KUBECONFIG" in done.stderr


def test_a_ready_release_ends_with_0_and_a_table(tmp_path: Path) -> None:
    done = status(tmp_path, [model("True")])
    assert done.returncode == 0, done.stderr
    assert "m-00001 100 %" in done.stdout
    assert "ready" in done.stdout


def test_a_failed_model_ends_with_1_and_says_why(tmp_path: Path) -> None:
    done = status(tmp_path, [model("False", "no such image")], "--json")
    assert done.returncode == 1
    (found,) = json.loads(done.stdout)
    assert (found["state"], found["detail"]) == ("failed", "RevisionFailed: no such image")


@pytest.mark.parametrize(
    ("services", "code", "said"),
    [([], 2, "nothing is installed in namespace 'demo'"), (None, 2, "this cluster has no Knative Serving")],
    ids=["nothing there", "no Knative"],
)
def test_what_is_not_there_is_named(
    services: list[dict[str, Any]] | None, code: int, said: str, tmp_path: Path
) -> None:
    done = status(tmp_path, services)
    assert done.returncode == code
    assert said in done.stderr
