"""Compiling is slow for what it is, so one small model is compiled once and looked at from all sides."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from services.edge.errors import ArtifactNotFound, InvalidDeclaration, InvalidWeights, Unsupported
from services.zoo.compile import compile_model, load_module
from services.zoo.manifest import Manifest
from services.zoo.model_file import ModelFile, read_model_file
from services.zoo.runtimes import onnxruntime, openvino
from services.zoo.runtimes import torch as torch_runtime
from services.zoo.writers import write_onnx, write_torch

RUNTIMES = {"torch": torch_runtime, "onnxruntime": onnxruntime, "openvino": openvino}


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, stride=2)
        self.head = nn.Linear(4, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y: torch.Tensor = self.head(self.conv(x).relu().mean((2, 3)))
        return y


def declared(folder: Path, **fields: object) -> ModelFile:
    fields = {"name": "tiny", "input": "{size: [16, 16]}", **fields}
    path = folder / "model.yaml"
    path.write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    return read_model_file(path)


@pytest.fixture(scope="module")
def example() -> np.ndarray:
    return np.random.default_rng(1).standard_normal((3, 3, 16, 16)).astype(np.float32)


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory, example: np.ndarray) -> Path:
    folder = tmp_path_factory.mktemp("programs")
    module = Tiny().eval()
    write_torch(module, example, folder / "tiny.pt2")
    write_onnx(module, example, folder / "tiny.onnx")
    with torch.inference_mode():
        np.save(folder / "expected.npy", module(torch.from_numpy(example)).numpy())
    return folder


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_users_pt2_program_runs_alike_in_every_runtime(
    programs: Path, tmp_path: Path, example: np.ndarray, runtime: str
) -> None:
    folder = compile_model(declared(programs, weights="file://tiny.pt2"), tmp_path, runtime)
    scores = RUNTIMES[runtime].load(folder, 1)(example)
    np.testing.assert_allclose(scores, np.load(programs / "expected.npy"), atol=1e-5)
    assert Manifest.read(folder).output_shape == (-1, 5)


def test_auto_keeps_one_runtime_and_nothing_of_the_others(programs: Path, tmp_path: Path) -> None:
    told: list[str] = []
    folder = compile_model(declared(programs, weights="file://tiny.onnx"), tmp_path, report=told.append)
    kept = {path.name for path in folder.iterdir()} - {"manifest.json"}
    runtime = Manifest.read(folder).runtime
    assert kept == {"onnxruntime": {"model.onnx"}, "openvino": {"model.xml", "model.bin"}}[runtime]
    assert "onnxruntime" in told[-1]
    assert "openvino" in told[-1]


def test_a_compiled_model_is_found_again_until_something_changes(programs: Path, tmp_path: Path) -> None:
    first = compile_model(declared(programs, weights="file://tiny.onnx"), tmp_path, "onnxruntime")
    told: list[str] = []
    again = compile_model(declared(programs, weights="file://tiny.onnx"), tmp_path, "onnxruntime", told.append)
    changed = compile_model(
        declared(programs, weights="file://tiny.onnx", labels="[a, b, c, d, e]"), tmp_path, "onnxruntime"
    )
    assert (again, told) == (first, [])
    assert changed != first
    assert Manifest.read(changed).labels == ("a", "b", "c", "d", "e")


def test_labels_that_do_not_count_as_the_classes_are_refused_and_nothing_is_left(
    programs: Path, tmp_path: Path
) -> None:
    with pytest.raises(InvalidDeclaration, match="5 classes and 2 labels"):
        compile_model(declared(programs, weights="file://tiny.onnx", labels="[a, b]"), tmp_path, "onnxruntime")
    assert list(tmp_path.iterdir()) == []


def test_a_program_with_a_fixed_batch_is_told_to_have_a_dynamic_one(programs: Path, tmp_path: Path) -> None:
    program = torch.export.export(Tiny().eval(), (torch.zeros(1, 3, 16, 16),))
    torch.export.save(program, programs / "fixed.pt2")
    with pytest.raises(InvalidDeclaration, match="dynamic N"):
        compile_model(declared(programs, weights="file://fixed.pt2"), tmp_path, "torch")


def test_files_that_are_cut_missing_or_foreign_are_told_apart(programs: Path, tmp_path: Path) -> None:
    (programs / "cut.pt2").write_bytes((programs / "tiny.pt2").read_bytes()[:500])
    (programs / "cut.onnx").write_bytes((programs / "tiny.onnx").read_bytes()[:500])
    with pytest.raises(InvalidWeights, match=r"cut\.pt2: not a program"):
        compile_model(declared(programs, weights="file://cut.pt2"), tmp_path, "torch")
    with pytest.raises(InvalidWeights, match=r"cut\.onnx"):
        compile_model(declared(programs, weights="file://cut.onnx"), tmp_path)
    with pytest.raises(ArtifactNotFound, match=r"none\.onnx"):
        compile_model(declared(programs, weights="file://none.onnx"), tmp_path)
    with pytest.raises(Unsupported, match="cannot run an ONNX program"):
        compile_model(declared(programs, weights="file://tiny.onnx"), tmp_path, "torch")


def test_a_named_architecture_takes_its_classes_from_the_labels(tmp_path: Path) -> None:
    model_file = declared(
        tmp_path, architecture="mobilenet_v2", parameters="{width_mult: 0.25}", weights="random://0", labels="[a, b, c]"
    )
    module = load_module(model_file)
    assert not module.training
    assert module(torch.zeros(2, 3, 16, 16)).shape == (2, 3)


def test_a_sleeping_model_needs_no_weights(tmp_path: Path) -> None:
    from services.zoo.runtimes import sleep

    model_file = declared(tmp_path, architecture="sleep", parameters="{delay_ms: 5, classes: 7}", weights="random://0")
    folder = compile_model(model_file, tmp_path)
    assert Manifest.read(folder).runtime == "sleep"
    assert sleep.load(folder, 1)(np.zeros((2, 3, 16, 16), np.float32)).shape == (2, 7)
