"""What is done to namespaces, over a `kubectl` that keeps a few in a folder."""

import os
from pathlib import Path
from typing import Any

import pytest

from services.bench.cluster import Cluster, missing_images, working_sets_of
from services.edge.errors import FailedPrecondition
from services.edge.progress import no_progress

# To get and create namespaces, and with a selector to delete, change and wait for them: one that is deleted is there
# until it is changed.
KUBECTL = """#!/usr/bin/env python3
import json, pathlib, sys
folder = pathlib.Path(__file__).parent / "namespaces"
if sys.argv[1] == "--namespace":
    assert sys.argv[3:5] == ["get", "pods"], sys.argv
    print('{"items": []}')
    sys.exit(0)
verb, *rest = sys.argv[1:]
options = dict(zip(rest, rest[1:]))
if verb == "create":
    made = json.load(sys.stdin)
    (folder / made["metadata"]["name"]).write_text(json.dumps(made))
    sys.exit(0)
assert "namespaces" in rest, rest
found = folder / options["--field-selector"].removeprefix("metadata.name=")
items = [json.loads(found.read_text())] if found.exists() else []
items = [each for each in items if options.get("--selector", "") in ("", *each["metadata"]["labels"])]
if verb == "get":
    print(json.dumps({"items": items}))
elif verb == "delete" and items:
    found.write_text(json.dumps({"metadata": {**items[0]["metadata"], "deletionTimestamp": "now"}}))
elif verb == "annotate" and items and "deletionTimestamp" in items[0]["metadata"]:
    found.unlink()
elif verb == "wait":
    assert not items, "it would wait for minutes"
"""


@pytest.fixture
def namespaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "kubectl").write_text(KUBECTL)
    (tmp_path / "kubectl").chmod(0o755)
    (tmp_path / "namespaces").mkdir()
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    return tmp_path / "namespaces"


def test_a_namespace_is_claimed_anew_and_removed(namespaces: Path) -> None:
    cluster = Cluster("bench", "127.0.0.1:8180")
    cluster.claim()
    with cluster.claimed(no_progress) as claimed:
        assert claimed == cluster
        assert [each.name for each in namespaces.iterdir()] == ["bench"]
    assert list(namespaces.iterdir()) == []


def test_a_namespace_of_somebody_else_is_refused_and_left_alone(namespaces: Path) -> None:
    theirs = '{"metadata": {"name": "shop", "labels": {"team": "shop"}}}'
    (namespaces / "shop").write_text(theirs)
    cluster = Cluster("shop", "127.0.0.1:8180")
    with pytest.raises(FailedPrecondition, match="'shop' exists and is not one of ours"):
        cluster.claim()
    cluster.remove()
    assert (namespaces / "shop").read_text() == theirs


def test_what_was_built_here_must_be_on_a_node_and_what_a_registry_has_need_not() -> None:
    def node(*names: str) -> dict[str, Any]:
        return {"status": {"images": [{"names": [name]} for name in names]}}

    nodes: list[dict[str, Any]] = [node("dev.local/strata/model:bench"), node("dev.local/versitygw:v1"), {"status": {}}]
    images = ["dev.local/strata/model:bench", "dev.local/strata/stage:bench", "dev.local/versitygw:v1", "ghcr.io/x:1"]
    assert missing_images(nodes, images) == ["dev.local/strata/stage:bench"]
    full = node(*(f"dev.local/other:{number}" for number in range(50)))
    assert missing_images([*nodes, full], images) == []


def test_pods_that_kubelet_has_not_measured_yet_or_not_lately_hold_nothing_that_is_known() -> None:
    def pod(name: str, **measured: Any) -> dict[str, Any]:
        return {"podRef": {"namespace": "bench", "name": name}, **measured}

    def held(size_bytes: int, second: int) -> dict[str, Any]:
        return {"time": f"2026-11-26T17:24:{second:02}Z", "workingSetBytes": size_bytes, "rssBytes": 2}

    pods = [
        pod("one", memory=held(3_000_000, 9)),
        pod("old", memory=held(4_000_000, 8)),
        pod("two"),
        pod("new", memory={}),
    ]
    assert working_sets_of({"pods": pods}) == {("bench", "one"): 3e6, ("bench", "old"): 4e6}
    assert working_sets_of({"pods": pods}, since="2026-11-26T17:24:09Z") == {("bench", "one"): 3e6}
