"""`strata ensemble` and `strata models` as commands: what they print, and the codes they end with."""

import json
import os
import subprocess
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from services.cli import ensemble_evaluation
from services.cli.ensemble_source import Remote
from services.edge.errors import MemberUnavailable, Unavailable
from tests.contract.command import run_strata
from tests.small_web import QuietHandler, address_of, small_web

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ensemble of two sleeping models, and two labelled pictures."""
    folder = tmp_path_factory.mktemp("cli")
    (folder / "models").mkdir()
    for name in ("first", "second"):
        (folder / "models" / f"{name}.yaml").write_text(
            f"name: {name}\narchitecture: sleep\nweights: random://0\nlabels: [cat, dog]\n"
            "parameters: {delay_ms: 1, classes: 2}\ninput: {size: [32, 32]}\n"
        )
    (folder / "pair.yaml").write_text(
        "name: pair\nmembers: [{model: first}, {model: second}]\ndeadline_ms: 60000\naccuracy: accuracy.json\n"
    )
    for label in ("cat", "dog"):
        (folder / "pictures" / label).mkdir(parents=True)
        Image.fromarray(np.zeros((40, 40, 3), np.uint8)).save(folder / "pictures" / label / "1.png")
    return folder


def strata(folder: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run the command with a state and a cache of its own; a proxy that does not exist keeps it on this machine."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("STRATA_")}
    environment |= {"STRATA_STATE": str(folder / "state"), "STRATA_CACHE": str(folder / "cache")}
    return run_strata({**environment, "http_proxy": "http://127.0.0.1:1"}, *arguments)


def test_predict_starts_the_models_of_a_file_for_the_call(folder: Path) -> None:
    done = strata(
        folder, "ensemble", "predict", str(folder / "pictures"), "--ensemble", str(folder / "pair.yaml"), "--json"
    )
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert [Path(each["picture"]).parent.name for each in said["pictures"]] == ["cat", "dog"]
    assert [row["name"] for row in said["summary"]] == ["first", "second", "ensemble"]
    # Equal scores: the first class is the answer, which is right for one of the two.
    assert [(row["answered"], row["right"]) for row in said["summary"]] == [(2, 1)] * 3


def test_a_broken_picture_costs_no_other_its_answer(folder: Path, tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        (tmp_path / name).write_bytes(b"none" if name < "c" else next((folder / "pictures/cat").iterdir()).read_bytes())
    arguments = ("ensemble", "predict", str(tmp_path), "--ensemble", str(folder / "pair.yaml"))
    done = strata(folder, *arguments, "--json")
    assert done.returncode == 2
    assert [line.split(": ")[:2] for line in done.stderr.splitlines() if "NotAPicture" in line] == [
        ["NotAPicture", str(tmp_path / name)] for name in ("a.png", "b.png")
    ]
    said = json.loads(done.stdout)
    assert [each["picture"] for each in said["pictures"]] == [str(tmp_path / "c.png")]
    assert [(each["picture"], each["error"]) for each in said["refused"]] == [
        (str(tmp_path / name), "NotAPicture") for name in ("a.png", "b.png")
    ]
    assert [row["answered"] for row in said["summary"]] == [1, 1, 1]


def test_evaluate_writes_the_table_and_a_plot_that_the_ensemble_then_uses(folder: Path) -> None:
    arguments = (
        "ensemble",
        "evaluate",
        str(folder / "pictures"),
        "--ensemble",
        str(folder / "pair.yaml"),
        "--batch",
        "2",
    )
    unwritten = strata(folder, *arguments, "--no-write", "--json")
    assert unwritten.returncode == 0, unwritten.stderr
    assert not (folder / "accuracy.json").exists()
    assert [each["batch"] for each in json.loads(unwritten.stdout)["latency"]] == [1, 2]
    assert strata(folder, *arguments).returncode == 0
    assert json.loads((folder / "accuracy.json").read_text())["pictures"] == 2
    assert (folder / "accuracy.png").read_bytes().startswith(b"\x89PNG")
    done = strata(
        folder, "ensemble", "predict", str(folder / "pictures/cat"), "--ensemble", str(folder / "pair.yaml"), "--json"
    )
    assert json.loads(done.stdout)["pictures"][0]["expected_accuracy"] == 0.5


def test_accuracies_are_kept_where_the_timing_after_them_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise MemberUnavailable("a model died")

    monkeypatch.setattr(ensemble_evaluation, "measure_latency", fail)
    for name in ("STRATA_STATE", "STRATA_CACHE"):
        monkeypatch.setenv(name, str(folder / name.removeprefix("STRATA_").lower()))
    ensemble = folder / "kept.yaml"
    ensemble.write_text("name: kept\nmembers: [{model: first}, {model: second}]\n")
    with pytest.raises(MemberUnavailable, match="a model died"):
        ensemble_evaluation.evaluate_folder(folder / "pictures", None, 1, str(ensemble), write=True, as_json=True)
    assert json.loads((folder / "kept.accuracy.json").read_text())["pictures"] == 2


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("ensemble", "predict", "nowhere.png"), 2, "ArtifactNotFound: nowhere.png: no such picture"),
        (("ensemble", "predict", "{folder}/pictures", "--mode", "both"), 2, "--mode both"),
        (("ensemble", "predict", "{folder}/pair.yaml", "--ensemble", "{folder}/pair.yaml"), 2, "NotAPicture"),
        (("ensemble", "predict", "{folder}/pictures", "--endpoint", "http://127.0.0.1:1"), 1, "does not answer"),
        (
            ("ensemble", "evaluate", "{folder}/pictures", "--ensemble", "{folder}/pair.yaml", "--batch", "1001"),
            2,
            "BatchTooLarge: --batch 1001: one request may have 1000 pictures",
        ),
        (("ensemble", "predict", "{folder}/pictures", "--endpoint", "127.0.0.1:1"), 2, "expected http://HOST:PORT"),
        (("ensemble", "evaluate", "{folder}/none"), 2, "ArtifactNotFound"),
        (("ensemble", "describe", "{folder}/none.yaml"), 2, "none.yaml: no such ensemble file\n"),
        (("models", "describe", "resnet-51"), 2, "did you mean 'resnet-50'"),
    ],
)
def test_a_wrong_call_ends_with_its_code_and_one_line(
    folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    done = strata(folder, *(each.format(folder=folder) for each in arguments))
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert "Traceback" not in done.stderr


class Stranger(QuietHandler):
    """Answers every GET with 200 and the server's `said`."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.server.said)  # type: ignore[attr-defined]


@pytest.fixture
def stranger() -> Iterator[ThreadingHTTPServer]:
    with small_web(Stranger) as server:
        yield server


@pytest.mark.parametrize("said", [b"hello", b"[1]", b'{"status": "ok"}', b"\xff"])
async def test_what_answers_200_and_is_no_front_door_is_named(stranger: ThreadingHTTPServer, said: bytes) -> None:
    stranger.said = said  # type: ignore[attr-defined]
    endpoint = address_of(stranger)
    async with Remote(endpoint) as source:
        with pytest.raises(Unavailable, match=f"{endpoint} is not a front door of ours"):
            await source.ensembles()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_loopback_is_asked_without_the_environments_proxy(
    stranger: ThreadingHTTPServer, host: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stranger.said = b"[]"  # type: ignore[attr-defined]
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    async with Remote(f"http://{host}:{stranger.server_port}") as source:
        assert await source.ensembles() == []
    async with Remote("http://front-door.example") as source:
        with pytest.raises(Unavailable, match="does not answer"):
            await source.ensembles()


def test_the_models_are_listed_with_the_built_in_ones(folder: Path) -> None:
    done = strata(folder, "models", "--json")
    assert {"resnet-50", "alexnet", "efficientnet-b0"} <= {row["name"] for row in json.loads(done.stdout)}
