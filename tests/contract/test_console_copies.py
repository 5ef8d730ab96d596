"""A file deleted in the console leaves the workbench too: both are processes, over a store that is looked at."""

import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.contract.console_process import KEY, Person, console_at
from tests.contract.workbench_process import PICTURE, Bench, detector, running

_WAIT_S = 120.0


def workbench(stack: ExitStack, folder: Path, port: int = 0) -> Bench:
    address = f"127.0.0.1:{port}"
    settings = {"WORKBENCH_THREADS": "1", "WORKBENCH_TOKEN_KEY": KEY, "WORKBENCH_GRPC_ADDRESS": address}
    return stack.enter_context(running(str(folder / "workbench"), **settings))


def person(stack: ExitStack, bench: Bench, folder: Path, name: str) -> Person:
    return stack.enter_context(stack.enter_context(console_at(bench.port, folder)).person(name))


def model_of_two_runs(person: Person) -> str:
    """The id of a model's file that two runs at once have sent to the workbench."""
    model, picture = person.upload("models/shapes.strata", detector()), person.upload("shapes.jpg", PICTURE)
    asked = {"model": model["id"], "is_file": True, "picture": picture["id"], "mode": "float"}
    begun = [person.client.post("/api/runs", json=asked).json()["id"] for _ in range(2)]
    ended = [person.hear("GET", f"/api/runs/{run}/events")[-1] for run in begun]
    assert [run["fault"] for run in ended] == ["", ""]
    return str(model["id"])


def copies(folder: Path) -> set[Path]:
    return set(folder.glob("workbench/owners/*/files/*"))


def wait_until(condition: Callable[[], bool]) -> None:
    limit_s = time.monotonic() + _WAIT_S
    while not condition():
        assert time.monotonic() < limit_s
        time.sleep(0.1)


def test_the_copies_of_a_deleted_file_go_and_nobody_elses(tmp_path: Path) -> None:
    with ExitStack() as stack:
        bench = workbench(stack, tmp_path)
        console = stack.enter_context(console_at(bench.port, tmp_path))
        ada, eve = (stack.enter_context(console.person(name)) for name in ("ada", "eve"))
        hers = model_of_two_runs(ada)
        of_ada = copies(tmp_path)
        theirs = model_of_two_runs(eve)
        of_eve = copies(tmp_path) - of_ada
        assert len(of_ada) > 0
        assert len(of_eve) > 0
        assert eve.client.delete(f"/api/files/{hers}").status_code == 404
        assert ada.client.delete(f"/api/files/{hers}").status_code == 204
        wait_until(lambda: not of_ada & copies(tmp_path))
        assert copies(tmp_path) == of_eve
        folder = next(file["id"] for file in eve.client.get("/api/files").json() if file["path"] == "models")
        assert eve.client.delete(f"/api/files/{folder}").status_code == 204
        assert eve.client.get(f"/api/files/{theirs}/content").status_code == 404
        wait_until(lambda: not copies(tmp_path))
        run = eve.client.get("/api/runs").json()[0]
        assert run["state"] == "done"
        assert eve.client.post(f"/api/runs/{run['id']}/step", json={"to": "end"}).status_code == 200
        assert eve.client.delete(f"/api/runs/{run['id']}").status_code == 204


@pytest.mark.parametrize("killed", [False, True], ids=["console-stays", "console-killed"])
def test_a_file_that_is_deleted_while_the_workbench_is_away_leaves_it_once_it_is_back(
    tmp_path: Path, killed: bool
) -> None:
    with ExitStack() as stack, ExitStack() as before:
        bench = workbench(before, tmp_path)
        ada = person(before if killed else stack, bench, tmp_path, "ada")
        model = model_of_two_runs(ada)
        bench.process.kill()
        bench.process.wait()
        assert ada.client.delete(f"/api/files/{model}").status_code == 204
        assert [file["path"] for file in ada.client.get("/api/files").json()] == ["models", "shapes.jpg"]
        assert copies(tmp_path)
        before.close()
        back = workbench(stack, tmp_path, bench.port)
        if killed:
            stack.enter_context(console_at(back.port, tmp_path))
        wait_until(lambda: not copies(tmp_path))
