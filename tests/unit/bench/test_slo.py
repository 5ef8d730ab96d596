"""The area `slo`: its parts in their order, one that cannot be measured, and what a member in integers is held to."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from services.bench import slo
from services.bench.cluster_figures import Images
from services.bench.slo_int8 import accuracy, bytes_share
from services.cli.bench import app
from services.edge.errors import Unsupported
from services.edge.progress import no_progress
from services.zoo.model_compile import compile_model
from services.zoo.model_file import ModelFile

IMAGES = Images("model:1", "ensemble:1", "hello:1")


def part(name: str) -> Iterator[slo.Figures]:
    yield {f"{name}.first": 1.0}
    if name == "receipts":
        raise Unsupported("no control group")
    yield {f"{name}.second": 2.0}


def test_a_part_that_cannot_be_measured_is_noted_and_the_others_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(slo, "_PARTS", {name: (10, lambda _, name=name: part(name)) for name in slo.PARTS})
    said: list[str] = []
    subject = slo.SloSubject(slo.FULL_EFFORT, None, None, IMAGES, lambda step, *_: said.append(step))
    left_out: dict[str, str] = {}
    found = list(slo.measure(subject, ["receipts", "queue", "soak"], left_out))
    assert found == [
        {"receipts.first": 1.0},
        {"queue.first": 1.0},
        {"queue.second": 2.0},
        {"soak.first": 1.0},
        {"soak.second": 2.0},
    ]
    assert left_out == {"receipts": "no control group"}
    # Ten minutes each here, and ten for the soak itself.
    assert said[0] == "part 1 of 3: receipts; some 40 minutes left at full effort"
    assert said[-1] == "part 3 of 3: soak; some 20 minutes left at full effort"


@pytest.mark.parametrize("part", slo.ON_KNATIVE)
def test_what_needs_a_cluster_is_noted_where_there_is_none(part: str) -> None:
    left_out: dict[str, str] = {}
    assert not list(slo.measure(slo.SloSubject(slo.QUICK_EFFORT, None, None, IMAGES, no_progress), [part], left_out))
    assert "needs a cluster with Knative Serving" in left_out[part]


def test_a_part_that_needs_a_cluster_is_refused_by_name_and_left_out_otherwise(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setattr(slo, "measure", lambda _, parts, __: [dict.fromkeys(parts, 1.0)])
    refused = CliRunner().invoke(app, ["slo", "--parts", "cold,queue"])
    assert refused.exit_code == 2
    assert "cold needs a cluster" in " ".join(refused.output.split())
    done = CliRunner().invoke(app, ["slo", "--quick"])
    assert done.exit_code == 0, done.output
    said = " ".join(done.output.split())
    assert "Left out: path and cold and spare and idle need a cluster with Knative Serving" in said
    assert "soak" in said


def test_integers_are_held_to_the_folders_that_services_load(tmp_path: Path) -> None:
    for key, length in (("float", 40), ("int8", 10)):
        (tmp_path / key).mkdir()
        (tmp_path / key / "weights").write_bytes(bytes(length))
        (tmp_path / key / "manifest").write_bytes(bytes(10))
    assert bytes_share({key: tmp_path / key for key in ("float", "int8")}) == 20 / 50


def test_accuracy_is_of_the_folder_of_each_label(tmp_path: Path) -> None:
    file = ModelFile.model_validate(
        {
            "name": "first",
            "architecture": "sleep",
            "parameters": {"delay_ms": 0, "classes": 2},
            "weights": "random://0",
            "input": {"size": (8, 8)},
            "labels": ["always", "never"],
            "folder": tmp_path,
        }
    )
    for label, count in (("always", 3), ("never", 1)):
        (tmp_path / label).mkdir()
        for number in range(count):
            Image.fromarray(np.zeros((8, 8, 3), np.uint8)).save(tmp_path / label / f"{number}.png")
    folder = compile_model(file, tmp_path / "cache", report=no_progress)
    assert accuracy(folder, file, tmp_path) == 0.75  # zeros for every class: the first is taken
