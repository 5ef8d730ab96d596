"""The console over HTTP, a real process over a real workbench: users, files, runs, sessions."""

import re
from base64 import b64decode
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from services.bench.workbench_isolation import Belongings, other_peoples_endpoints
from services.bench.workbench_schema import Asked, SchemaCaller, schema_faults
from tests.contract.console_process import PASSWORD, Person, Served, console_at, serving
from tests.contract.workbench_process import PICTURE, detector, integers


@pytest.fixture(scope="module")
def console(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("console"), CONSOLE_QUOTA_BYTES=str(20 << 20)) as served:
        yield served


@pytest.fixture(scope="module")
def ada(console: Served) -> Iterator[Person]:
    with console.person("ada") as person:
        yield person


@pytest.fixture(scope="module")
def eve(console: Served) -> Iterator[Person]:
    with console.person("eve") as person:
        yield person


@pytest.fixture(scope="module")
def done(ada: Person) -> dict[str, Any]:
    """A run of the example detector that is over."""
    model, table = ada.upload("models/shapes.strata", detector()), ada.upload("models/shapes.integers", integers())
    picture = ada.upload("pictures/shapes.jpg", PICTURE)
    asked = {"model": model["id"], "is_file": True, "integer_file": table["id"], "picture": picture["id"]}
    return ada.run(mode="int8", **asked)


def test_a_log_in_is_a_cookie_that_scripts_cannot_read_and_other_sites_do_not_send(console: Served) -> None:
    with console.nobody() as nobody:
        answer = nobody.client.post("/api/account", json={"name": "Grace", "password": PASSWORD})
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert answer.json()["name"] == "grace"
        assert nobody.client.get("/api/account").json()["name"] == "grace"


def test_a_cookie_that_was_changed_is_nobodys(console: Served) -> None:
    with console.person("changed") as person:
        (name, value), *_ = person.client.cookies.items()
        changed = httpx.get(
            f"{console.address}/api/account", cookies={name: value[:-1] + ("A" if value[-1] != "A" else "B")}
        )
    assert changed.status_code == 401


def test_after_log_out_the_cookie_is_worth_nothing(console: Served) -> None:
    with console.person("leaver") as person:
        cookies = dict(person.client.cookies)
        assert person.client.post("/api/log-out").status_code == 204
        assert httpx.get(f"{console.address}/api/account", cookies=cookies).status_code == 401


def test_a_change_without_the_pages_token_or_from_another_sites_page_is_refused(console: Served) -> None:
    with console.person("target") as person:
        token = person.client.headers.pop("X-CSRF-Token")
        assert person.client.post("/api/folders", json={"path": "a"}).status_code == 403
        headers = {"X-CSRF-Token": token, "Sec-Fetch-Site": "cross-site"}
        assert person.client.post("/api/folders", json={"path": "a"}, headers=headers).status_code == 403
        assert (
            person.client.post("/api/folders", json={"path": "a"}, headers={"X-CSRF-Token": token}).status_code == 201
        )


def test_wrong_passwords_make_the_next_one_wait_also_of_nobody(console: Served) -> None:
    with console.person("guessed"), console.nobody() as guesser:
        for name in ("guessed", "no-such-user"):
            answers = [
                guesser.client.post("/api/log-in", json={"name": name, "password": f"wrong {n} wrong"})
                for n in range(6)
            ]
            assert [answer.status_code for answer in answers] == [401] * 5 + [429]
            assert int(answers[-1].headers["retry-after"]) > 0
            assert answers[0].json()["error"] == "no such user and password"
        right = guesser.client.post("/api/log-in", json={"name": "guessed", "password": PASSWORD})
        assert right.status_code == 429


def test_wrong_passwords_at_once_are_no_more_than_one_after_the_other(console: Served) -> None:
    with console.person("hurried"), console.nobody() as guesser, ThreadPoolExecutor(10) as at_once:

        def guess(n: int) -> int:
            return guesser.client.post(
                "/api/log-in", json={"name": "hurried", "password": f"wrong {n} wrong"}
            ).status_code

        assert sorted(at_once.map(guess, range(10))) == [401] * 5 + [429] * 5


def test_a_name_has_one_user_however_it_is_spelled(console: Served, ada: Person) -> None:
    with console.nobody() as second:
        answer = second.client.post("/api/account", json={"name": " ADA ", "password": PASSWORD})
    assert (answer.status_code, answer.json()["kind"]) == (409, "NameTaken")


@pytest.mark.parametrize("path", ["../up", "a/../b", "/", "a//b", "a\\b", "a\nb", "x" * 401, "\u202egnp.exe", "a/ b"])
def test_a_path_that_leads_elsewhere_is_refused(ada: Person, path: str) -> None:
    answer = ada.client.post("/api/files", params={"path": path}, content=b"content")
    assert answer.status_code == 400, answer.text


def test_a_blank_at_the_end_of_a_name_is_said_to_be_the_fault(ada: Person) -> None:
    answer = ada.client.post("/api/files", params={"path": "a /b"}, content=b"content")
    assert "blank at an end" in answer.json()["error"]


def test_what_is_uploaded_comes_back_byte_for_byte_and_as_nothing_that_runs(ada: Person) -> None:
    made = ada.upload("odd/<script>alert(1)</script>'; DROP TABLE users;--.html", b"<script>alert(1)</script>")
    answer = ada.client.get(f"/api/files/{made['id']}/content")
    assert answer.content == b"<script>alert(1)</script>"
    assert answer.headers["content-type"] == "application/octet-stream"
    assert answer.headers["content-disposition"].startswith("attachment")
    assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_folder_moves_and_goes_with_all_in_it_and_with_nothing_else(ada: Person) -> None:
    for path in ("trip/a.jpg", "trip/day/b.jpg", "TRIP/c.jpg", "trips/d.jpg"):
        ada.upload(path, b"x")
    folder = next(file for file in ada.client.get("/api/files").json() if file["path"] == "trip")
    moved = ada.client.patch(f"/api/files/{folder['id']}", json={"path": "past/trip"})
    assert moved.json()["path"] == "past/trip"
    paths = {file["path"] for file in ada.client.get("/api/files").json()}
    assert {"past", "past/trip/a.jpg", "past/trip/day/b.jpg", "TRIP/c.jpg", "trips/d.jpg"} <= paths
    inside = ada.client.patch(f"/api/files/{folder['id']}", json={"path": "past/trip/day/trip"})
    assert inside.status_code == 400
    assert ada.client.delete(f"/api/files/{folder['id']}").status_code == 204
    paths = {file["path"] for file in ada.client.get("/api/files").json()}
    assert not any(path.startswith("past/trip") for path in paths)
    assert {"TRIP/c.jpg", "trips/d.jpg"} <= paths


def test_a_file_is_not_written_over_and_nothing_is_put_into_a_file(ada: Person) -> None:
    ada.upload("once.txt", b"first")
    again = ada.client.post("/api/files", params={"path": "once.txt"}, content=b"second")
    inside = ada.client.post("/api/files", params={"path": "once.txt/in.txt"}, content=b"in")
    assert [(each.status_code, each.json()["kind"]) for each in (again, inside)] == [(409, "ArtifactExists")] * 2


def test_what_is_over_the_quota_is_refused_whether_it_says_so_or_not_and_takes_no_room(console: Served) -> None:
    with console.person("hoarder") as person:
        declared = person.client.post("/api/files", params={"path": "big"}, content=b"x" * (21 << 20))
        pieces = (b"x" * (1 << 20) for _ in range(21))
        silent = person.client.post("/api/files", params={"path": "big"}, content=pieces)
        assert [each.json()["kind"] for each in (declared, silent)] == ["QuotaExceeded"] * 2
        assert declared.json()["error"].startswith("only 21.0 MB are left of your quota")
        assert person.client.get("/api/account").json()["used_bytes"] == 0
        person.upload("small", b"fits")


def test_an_upload_whose_sender_leaves_is_not_there(console: Served, tmp_path: Path) -> None:
    def torn() -> Iterator[bytes]:
        yield b"x" * (1 << 20)
        raise ConnectionAbortedError

    with console.person("leaves") as person:
        with pytest.raises(ConnectionAbortedError):
            person.client.post("/api/files", params={"path": "torn"}, content=torn())
        assert person.client.get("/api/files").json() == []
        person.upload("torn", b"whole")


@pytest.mark.slow
def test_a_large_upload_takes_little_memory(tmp_path: Path) -> None:
    size_mb, most_mb = 500, 64

    def memory_mb(name: str) -> float:
        status = Path(f"/proc/{served.process.pid}/status").read_text()
        return int(re.findall(rf"{name}:\s+(\d+) kB", status)[0]) / 1024

    nobody_there = 1  # files are the console's own: no workbench is asked
    with console_at(nobody_there, tmp_path) as served, served.person("large") as person:
        person.upload("first", b"x" * 1000)
        idle_mb = memory_mb("VmRSS")
        made = person.client.post(
            "/api/files", params={"path": "large"}, content=(bytes(1 << 20) for _ in range(size_mb)), timeout=240
        )
        assert made.json()["size_bytes"] == size_mb << 20
        assert memory_mb("VmHWM") - idle_mb <= most_mb


def test_a_run_finds_what_is_on_the_picture(done: dict[str, Any]) -> None:
    assert (done["state"], done["fault"]) == ("done", "")
    assert done["result"]["detects"] is True
    assert len(done["result"]["boxes"]) > 0
    assert done["result"]["latency_ms"] > 0


def test_a_run_that_fails_says_why(ada: Person, done: dict[str, Any]) -> None:
    note = ada.upload("note.jpg", b"this is no picture")
    failed = ada.run(model="yolov3-tiny", mode="float", picture=note["id"], weights="random://0", size=64)
    assert failed["state"] == "failed"
    assert failed["fault"].startswith("note.jpg: not one of JPEG")


def test_a_run_in_auto_without_a_plan_says_how_one_is_made_and_that_way_leads_there(console: Served) -> None:
    with console.person("planner") as person:  # whose quota holds the models
        model, picture = person.upload("auto/it.strata", detector())["id"], person.upload("auto/it.jpg", PICTURE)["id"]
        asked = {"model": model, "is_file": True, "picture": picture}
        failed = person.run(mode="auto", **asked)
        assert (failed["state"], failed["can_step"]) == ("failed", False)
        for words in ("under Quantise", "'measure the plan of auto too'", "another mode", "as files", "these Integers"):
            assert words in failed["fault"]
        base = f"/api/runs/{person.run(mode='float', **asked)['id']}"
        (crossed,) = person.hear("GET", f"{base}/cross", params={"mode": "int8"})
        assert crossed["fault"].endswith("calibrate the model first, under Quantise")
        *_, calibrated = person.hear("POST", f"{base}/calibration", json={"pictures": [picture], "auto": True})
        assert calibrated["fault"] == ""
        _, table = person.client.post(f"{base}/variant", json={"path": "auto/kept"}).json()
        assert person.run(mode="auto", integer_file=table["id"], **asked)["state"] == "done"


def test_all_runs_are_heard_of_by_one_stream_until_they_are_over(
    ada: Person, eve: Person, done: dict[str, Any]
) -> None:
    picture = ada.upload("heard.jpg", PICTURE)
    asked = {"model": "yolov3-tiny", "picture": picture["id"], "weights": "random://0", "size": 64, "mode": "float"}
    begun = [ada.client.post("/api/runs", json=asked).json()["id"] for _ in range(3)]
    heard = ada.hear("GET", "/api/runs/events")
    assert {*begun, done["id"]} <= {run["id"] for run in heard[0]["runs"]}
    last = {run["id"]: run for event in heard for run in event["runs"]}
    assert [last[each]["state"] for each in begun] == ["done"] * 3
    assert [last[each]["result"]["trained"] for each in (done["id"], begun[0])] == [True, False]
    assert [run["id"] for event in heard[1:] for run in event["runs"] if run["id"] not in begun] == []
    assert eve.hear("GET", "/api/runs/events") == []


def test_a_session_is_stepped_looked_into_edited_and_taken_back(ada: Person, done: dict[str, Any]) -> None:
    base = f"/api/runs/{done['id']}"
    graph = ada.client.get(f"{base}/graph").json()
    first = graph["layers"][0]["name"]
    visit = ada.client.post(f"{base}/step", json={"to": "layer", "layer": first}).json()
    assert (visit["layer"], visit["index"]) == (first, graph["layers"][0]["index"])
    looked = ada.client.get(f"{base}/look").json()
    assert sum(looked["histogram"]["counts"]) > 0
    assert looked["visit"]["statistics"] == visit["statistics"]
    assert ada.client.get(f"{base}/maps").content.startswith(b"\x89PNG")
    card = ada.client.get(f"{base}/card", params={"layer": first}).json()
    out_channels, *rest = card["weights"]["shape"]
    part = ada.client.get(f"{base}/tensor", params={"part": "weights", "count": 5}).json()
    assert part["shape"] == [out_channels, *rest]
    assert len(part["values"]) == 5
    edit = {"kind": "weights", "place": [0, 0, 0, 0], "values": [part["values"][0] + 1]}
    difference = ada.client.post(f"{base}/edits", json=edit).json()
    assert difference["changed_fraction"] > 0
    changed = ada.client.get(f"{base}/tensor", params={"part": "weights", "count": 1}).json()["values"]
    assert changed == pytest.approx([part["values"][0] + 1])
    assert ada.client.get(f"{base}/session").json()["edits"] == 1
    assert ada.client.post(f"{base}/result").status_code == 200
    assert ada.client.post(f"{base}/undo").json()["edits"] == 0
    assert (
        ada.client.get(f"{base}/tensor", params={"part": "weights", "count": 1}).json()["values"] == part["values"][:1]
    )


def test_a_cross_has_a_row_for_each_layer_and_ends(ada: Person, done: dict[str, Any]) -> None:
    base = f"/api/runs/{done['id']}"
    heard = ada.hear("GET", f"{base}/cross")
    crossed = [each["crossing"]["layer"] for each in heard if each["crossing"]]
    layers = [layer["name"] for layer in ada.client.get(f"{base}/graph").json()["layers"]]
    assert set(crossed) <= set(layers)
    assert len(crossed) > 10
    assert [each["is_last"] for each in heard] == [False] * (len(heard) - 1) + [True]
    assert heard[-1]["fault"] == ""
    assert set(heard[-1]["diagnosis"]["shares"]) == set(crossed)
    assert heard[-1]["diagnosis"]["worst"] in crossed


def test_a_cross_that_cannot_be_says_why_and_ends(ada: Person, done: dict[str, Any]) -> None:
    (heard,) = ada.hear("GET", f"/api/runs/{done['id']}/cross", params={"mode": "auto"})
    assert heard["is_last"]
    assert "plan" in heard["fault"]


def test_a_model_is_measured_and_calibrated_on_pictures_and_says_how_far_it_is(
    ada: Person, done: dict[str, Any]
) -> None:
    base = f"/api/runs/{done['id']}"
    *told, last = ada.hear("POST", f"{base}/report", json={})
    assert last["is_last"]
    assert any(each["progress"] for each in told)
    measured = told[-1]["measured"]
    assert [row["mode"] for row in measured["modes"]] == ["float", "hybrid", "int8"]
    assert measured["layers"][0]["int8_ms"] > 0
    pictures = [ada.upload(f"calibration/{n}.jpg", PICTURE)["id"] for n in range(2)]
    *told, last = ada.hear("POST", f"{base}/calibration", json={"pictures": pictures, "algorithm": "minmax"})
    assert last == {"progress": None, "fault": "", "is_last": True, "calibrated": None}
    (choice, *_) = told[-1]["calibrated"]["weights"]
    assert choice["algorithm"] == "minmax"
    assert len(choice["candidates"]) > 3
    missing = ada.client.post(f"{base}/calibration", json={"pictures": ["nowhere"]})
    assert (missing.status_code, missing.json()["kind"]) == (404, "ArtifactNotFound")


def test_a_difference_is_drawn_and_what_was_not_edited_has_none_before(ada: Person, done: dict[str, Any]) -> None:
    base, layer = f"/api/runs/{done['id']}", "convolutional_0"
    found = ada.client.get(f"{base}/difference", params={"layer": layer, "against": "float"}).json()
    assert found["difference"]["layer"] == layer
    assert found["difference"]["changed_fraction"] > 0
    assert b64decode(found["png"]).startswith(b"\x89PNG")
    before = ada.client.get(f"{base}/difference", params={"layer": layer})
    assert (before.status_code, before.json()["kind"]) == (400, "InvalidEdit")


def test_a_variant_is_kept_as_files_that_run_and_all_of_them_or_none(ada: Person, done: dict[str, Any]) -> None:
    kept = ada.client.post(f"/api/runs/{done['id']}/variant", json={"path": "variants/first"}).json()
    assert [file["path"] for file in kept] == ["variants/first.strata", "variants/first.integers"]
    picture = ada.upload("variants/shapes.jpg", PICTURE)["id"]
    model, table = (file["id"] for file in kept)
    asked = {"model": model, "is_file": True, "integer_file": table, "picture": picture}
    assert ada.run(mode="int8", **asked)["result"]["boxes"]
    ada.upload("variants/second.integers", b"in the way")
    refused = ada.client.post(f"/api/runs/{done['id']}/variant", json={"path": "variants/second"})
    assert (refused.status_code, refused.json()["kind"]) == (409, "ArtifactExists")
    assert "variants/second.strata" not in {file["path"] for file in ada.client.get("/api/files").json()}


def test_five_pictures_are_made_of_one_and_kept_where_one_wants_them(ada: Person) -> None:
    picture = ada.upload("few/shapes.jpg", PICTURE)["id"]
    shown = ada.client.get(f"/api/files/{picture}/augmented").json()
    names = ["original", "rotated", "blurred", "flipped", "flopped"]
    assert [each["name"] for each in shown] == names
    assert all(b64decode(each["png"]).startswith(b"\x89PNG") for each in shown)
    kept = ada.client.post(f"/api/files/{picture}/augmented", json={"path": "few/more"}).json()
    assert [file["path"] for file in kept] == [f"few/more/shapes-{name}.png" for name in names]
    note = ada.upload("few/note.jpg", b"this is no picture")["id"]
    refused = ada.client.get(f"/api/files/{note}/augmented")
    assert (refused.status_code, refused.json()["kind"]) == (400, "NotAPicture")


def test_a_cross_and_a_comparison_are_saved_as_pages_that_stand_alone(ada: Person, done: dict[str, Any]) -> None:
    cross = ada.client.get(f"/api/runs/{done['id']}/cross.html")
    comparison = ada.client.get("/api/comparison.html", params={"runs": f"{done['id']},{done['id']}"})
    for answer in (cross, comparison):
        assert answer.status_code == 200, answer.text[:300]
        assert answer.headers["content-disposition"].startswith("attachment")
        assert "sandbox" in answer.headers["content-security-policy"]
        assert not re.search(r"https?://|<script|src=\"(?!data:)", answer.text)
    assert re.search("<strong>(One bad layer|Diffuse)", cross.text)
    assert f"{done['model']}, int8" in comparison.text
    assert comparison.text.count("data:image/jpeg;base64,") == 2
    assert comparison.text.count("<span ") == 2 * len(done["result"]["boxes"])


def test_who_has_a_link_reads_what_the_layer_was_until_it_is_revoked(
    console: Served, ada: Person, done: dict[str, Any]
) -> None:
    base = f"/api/runs/{done['id']}"
    assert ada.client.post(f"{base}/step", json={"to": "layer", "layer": "convolutional_0"}).status_code == 200
    made = ada.client.post(f"{base}/links", json={}).json()
    with console.nobody() as nobody:
        page = nobody.client.get(made["address"])
        assert (page.status_code, page.headers["cache-control"]) == (200, "no-store")
        assert page.headers["content-security-policy"].startswith("sandbox; default-src 'none'")
        assert "Feature maps of convolutional_0" in page.text
        assert not re.search(r"https?://|<script|<form|href=", page.text)
        assert done["id"] not in page.text
        before = ada.client.get("/api/account").json()["used_bytes"]
        edit = {"kind": "bias", "layer": "convolutional_0", "place": [0], "values": [9.0]}
        assert ada.client.post(f"{base}/edits", json=edit).status_code == 200
        assert nobody.client.get(made["address"]).text == page.text
        assert ada.client.post(f"{base}/undo").status_code == 200
        assert made["id"] in [link["id"] for link in ada.client.get(f"{base}/links").json()]
        assert ada.client.delete(f"/api/links/{made['id']}").status_code == 204
        gone = nobody.client.get(made["address"])
        assert (gone.status_code, gone.json()["kind"]) == (404, "ArtifactNotFound")
        assert ada.client.get("/api/account").json()["used_bytes"] == before - len(page.content)
        wrong = nobody.client.get(made["address"][:-1] + ("A" if made["address"][-1] != "A" else "B"))
        assert wrong.status_code == 404


def test_a_browser_that_is_led_to_a_fault_shows_a_page_and_a_program_gets_json(console: Served) -> None:
    browser = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8"}
    refused = {
        "/api/shared/revoked": (404, "nothing is shared at this address"),
        "/api/files/any/content": (401, "log in"),
        "/api/no-such": (404, "Not Found"),
    }
    with console.nobody() as nobody:
        for address, (code, words) in refused.items():
            shown, told = nobody.client.get(address, headers=browser), nobody.client.get(address)
            assert (shown.status_code, told.status_code) == (code, code)
            assert shown.headers["content-type"].startswith("text/html")
            assert shown.headers["content-security-policy"].startswith("default-src 'none'")
            assert words in shown.text
            assert words in told.json()["error"]


def test_every_endpoint_refuses_nobody_and_shows_one_user_nothing_of_another(
    console: Served, ada: Person, eve: Person, done: dict[str, Any]
) -> None:
    file = ada.upload("private/letter.txt", b"private")
    link = ada.client.post(f"/api/runs/{done['id']}/links", json={"layer": "convolutional_0"}).json()
    theirs = Belongings(file["id"], done["id"], link["id"])
    tried = other_peoples_endpoints(console.address, eve.client, theirs)
    assert tried.let_in == []
    assert tried.tried > 60
    assert ada.client.get(f"/api/files/{file['id']}/content").content == b"private"
    assert ada.client.get(f"/api/runs/{done['id']}").json() == done
    assert httpx.get(f"{console.address}{link['address']}").status_code == 200


SLOW = tuple(f"/api/runs/{{run}}/{each}" for each in ("cross", "cross.html", "result", "report", "calibration"))
"""A second or more for each answer: `strata bench workbench` asks them too, and all of it more often."""


def test_no_answer_is_a_servers_error_or_outside_the_document(
    console: Served, ada: Person, eve: Person, done: dict[str, Any]
) -> None:
    """Asked by Schemathesis, rightly and wrongly, about what is ada's and about nothing."""
    document = httpx.get(f"{console.address}/openapi.json").json()
    for path in (*SLOW, "/api/log-out"):  # after which nobody would be logged in
        del document["paths"][path]
    places = {"run": done["id"], "file": ada.client.get("/api/files").json()[0]["id"]}
    callers = [
        SchemaCaller(dict(each.client.cookies), {"X-CSRF-Token": each.client.headers["X-CSRF-Token"]})
        for each in (ada, eve)
    ]
    asked = Asked()
    assert list(schema_faults(document, console.address, callers, places, 1, asked, lambda _: None)) == []
    assert asked.operations > 30
    assert asked.cases > asked.operations
