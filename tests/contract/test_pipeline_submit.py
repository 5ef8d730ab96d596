"""`strata pipeline submit` over a kubectl that answers from files, and whose stream of the log breaks off."""

import json
import os
from pathlib import Path

import pytest

from services.cli import pipeline_follow
from tests.contract.command import run_strata
from tests.unit.cluster.test_pipeline_job import stage

KUBECTL = """#!/usr/bin/env python3
import json, pathlib, sys
here = pathlib.Path(__file__).parent
arguments = [each for each in sys.argv[1:] if not each.startswith("--request-timeout")]
followed = (here / "followed").exists()
if arguments[0] == "create":
    sys.exit(0)
if "logs" in arguments:
    (here / "followed").touch()
    print(json.dumps({"event": "record 0"}))
    sys.exit("error: unexpected EOF")
path = arguments[-1].partition("?")[0]
status = {"phase": "Succeeded" if followed else "Running"}
if followed:
    status |= {"containerStatuses": [{"state": {"terminated": {"exitCode": 0}}}]}
    status |= {"conditions": [{"type": "Complete", "status": "True"}]}
object = {"metadata": {"name": "driver", "creationTimestamp": "1"}, "status": status}
if path.endswith("/log"):
    print((here / "log").read_text(), end="")
elif path.endswith("/services"):
    print((here / "services.json").read_text())
else:
    print(json.dumps({"items": [object]} if path.endswith("/pods") else object))
"""


def test_a_job_whose_log_breaks_off_ends_with_its_report_and_its_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline_follow, "_POLL_S", 0.0)
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "services.json").write_text(json.dumps({"items": [stage("alexnet-fc", 0)]}))
    report = {"event": "report", "report": {"records": 1}}
    log = [{"event": "record 0"}, {"event": "record 1"}, report]
    (tmp_path / "log").write_text("".join(f"{json.dumps(each)}\n" for each in log))
    environment = {**os.environ, "PATH": f"{tmp_path}{os.pathsep}{os.environ['PATH']}"}
    words = "pipeline", "submit", "alexnet", "s3://strata/in", "-o", "s3://strata/out", "-n", "ns", "--json"
    done = run_strata(environment, *words)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {"records": 1}
    assert done.stderr.splitlines()[1:] == ["record 0", "record 1"]
