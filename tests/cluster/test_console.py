"""The console on the cluster, with its own database: a person's work outlives the pods that it was done in."""

import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from PIL import Image

from services.bench.cluster import Cluster
from tests.cluster.installed import MEMBERS, TIMEOUT_S, console_images, namespace
from tests.cluster.object_store import ENDPOINT, SECRET, start_store

RELEASE = "desk"
SERVICES = (f"{RELEASE}-console", f"{RELEASE}-workbench")
_BROKEN = (502, 503, 504)


@dataclass(frozen=True)
class Desk:
    """The console through Knative's ingress, and somebody who is logged in."""

    cluster: Cluster
    client: httpx.Client

    def ask(self, method: str, path: str, **sent: Any) -> Any:
        """The answer's JSON; while a pod comes or goes, the way may break and is tried again."""
        limit = time.monotonic() + TIMEOUT_S
        while True:
            try:
                answer = self.client.request(method, path, **sent)
            except httpx.TransportError:
                if time.monotonic() > limit:
                    raise
            else:
                if answer.status_code not in _BROKEN or time.monotonic() > limit:
                    assert answer.is_success, answer.text
                    return answer.json()
            time.sleep(0.5)

    def shows(self, run: str) -> tuple[Any, Any]:
        """Where a run's session stands, and what it shows there."""
        return self.ask("GET", f"/api/runs/{run}/session"), self.ask("GET", f"/api/runs/{run}/look")


@pytest.fixture(scope="module")
def desk() -> Iterator[Desk]:
    """In a namespace of its own, with a store and a key in it."""
    with namespace("desk") as beside:
        start_store(beside, "desk")
        key = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "desk"}, "stringData": {"tokenKey": "k" * 40}}
        beside.kubectl("apply", "--filename", "-", standard_input=json.dumps(key))
        scale = {"window": "6s"}
        values = {
            "images": console_images(),
            "models": {**dict.fromkeys(MEMBERS), MEMBERS[1]: {}},
            "ensemble": {"ray": "none", "files": {"fashion": None}},
            "ensembles": {"one": {"members": [{"model": MEMBERS[1]}]}},
            "test": {"ensemble": "one"},
            "workbench": {"enabled": True, "store": _store("sessions"), "scale": scale},
            "console": {
                "enabled": True,
                "secret": "desk",
                "store": _store("files"),
                "database": {"own": True},
                "scale": scale,
            },
        }
        beside.install(RELEASE, values)
        host = {"Host": beside.authority(SERVICES[0])}
        with httpx.Client(base_url=f"http://{beside.ingress}", headers=host, timeout=TIMEOUT_S) as client:
            desk = Desk(beside, client)
            account = desk.ask("POST", "/api/account", json={"name": "ada", "password": "correct horse battery"})
            client.headers["X-CSRF-Token"] = account["csrf_token"]
            yield desk


def _store(prefix: str) -> dict[str, str]:
    return {"url": f"s3://desk/{prefix}", "endpoint": ENDPOINT, "secret": SECRET}


@pytest.fixture(scope="module")
def run(desk: Desk) -> str:
    """Over a picture that was uploaded; stepped and edited."""
    picture = io.BytesIO()
    Image.effect_noise((96, 96), 90).convert("RGB").save(picture, "png")
    file = desk.ask("POST", "/api/files", params={"path": "noise.png"}, content=picture.getvalue())
    asked = {"model": "yolov3-tiny", "weights": "random://0", "size": 96, "mode": "int8", "picture": file["id"]}
    run: str = desk.ask("POST", "/api/runs", json=asked)["id"]
    limit = time.monotonic() + TIMEOUT_S
    while (found := desk.ask("GET", f"/api/runs/{run}"))["state"] != "done" and time.monotonic() < limit:
        time.sleep(0.2)
    assert (found["state"], found["fault"]) == ("done", "")
    desk.ask("POST", f"/api/runs/{run}/step", json={"to": "forward", "count": 3})
    edit = {"kind": "weights", "place": [3], "values": [0.5]}
    desk.ask("POST", f"/api/runs/{run}/edits", json=edit)
    return run


def kill(desk: Desk) -> None:
    """End both pods with a second's notice, and wait until they are gone: what answers next are others."""
    selector = f"serving.knative.dev/service in ({', '.join(SERVICES)})"
    desk.cluster.kubectl("delete", "pods", "--selector", selector, "--grace-period=1", "--wait")


def wait_for_zero(desk: Desk) -> None:
    for service in SERVICES:
        desk.cluster.wait_for_zero(service)


@pytest.mark.parametrize("end", [kill, wait_for_zero])
def test_somebody_finds_the_work_where_it_was_left(desk: Desk, run: str, end: Callable[[Desk], None]) -> None:
    before = desk.shows(run)
    assert before[0]["edits"] == 1
    end(desk)
    assert desk.shows(run) == before


def test_the_page_comes_through_the_ingress(desk: Desk) -> None:
    page = desk.client.get("/runs")
    assert page.headers["content-type"].startswith("text/html")
    assert '<div id="root">' in page.text


def test_the_ensembles_members_are_shown_with_how_many_pods_they_have(desk: Desk) -> None:
    (shown,) = desk.ask("GET", "/api/ensembles")["ensembles"]
    (member,) = shown["members"]
    assert (shown["name"], member["model"]) == ("one", MEMBERS[1])
    assert member["replicas"] is not None, "the console may not list pods"
