"""One small detector on the workbench."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from quant.activation import Activation
from quant.calibration import calibrate
from quant.graph import INPUT, Graph, Layer
from quant.observations import observe
from quant.operations import Add, BatchNorm, Concat, Conv2d, MaxPool, Upsample, Yolo
from quant.scales import Calibration
from services.workbench.engine_model import EngineModel
from services.workbench.files import write_model
from tests.unit.workbench.commands import DETECTOR, quant


def make_model(seed: int = 0) -> EngineModel:
    g = torch.Generator().manual_seed(seed)

    def conv(before: int, after: int, kernel: int, activation: Activation) -> Conv2d:
        weight = torch.randn(after, before, kernel, kernel, generator=g) * (2 / (before * kernel * kernel)) ** 0.5
        pad = (kernel // 2, kernel // 2)
        return Conv2d(weight, torch.randn(after, generator=g) * 0.1, padding=pad, activation=activation)

    layers = (
        Layer("stem", conv(3, 16, 3, Activation.LEAKY), (INPUT,)),
        Layer("norm", BatchNorm(torch.ones(16), torch.zeros(16)), ("stem",)),
        Layer("body", conv(16, 16, 3, Activation.RELU), ("norm",)),
        Layer("sum", Add(), ("body", "norm")),
        Layer("pool", MaxPool((2, 2), (2, 2), (0, 1, 0, 1)), ("sum",)),
        Layer("up", Upsample(2), ("pool",)),
        Layer("join", Concat(), ("up", "up")),
        Layer("raw", conv(32, 14, 1, Activation.NONE), ("join",)),
        Layer("head", Yolo(2, ((10.0, 14.0), (23.0, 27.0))), ("raw",)),
    )
    return EngineModel("small", Graph((3, 32, 32), layers, ("head",)), ("circle", "square"), None, "drawn here", True)


@pytest.fixture(scope="session")
def model() -> EngineModel:
    return make_model()


@pytest.fixture(scope="session")
def x() -> Tensor:
    return torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(1))


@pytest.fixture(scope="session")
def calibration(model: EngineModel, x: Tensor) -> Calibration:
    return calibrate(model.graph.layers, observe(model.graph, [x]), "minmax").calibration


@pytest.fixture(scope="session")
def other_model() -> EngineModel:
    """The same layers with other weights."""
    return make_model(seed=1)


@pytest.fixture(scope="session")
def place(tmp_path_factory: pytest.TempPathFactory, model: EngineModel) -> Path:
    """A folder with a model, two pictures, and the model's integers."""
    folder = tmp_path_factory.mktemp("quant")
    write_model(folder / "small.strata", model)
    for seed in (0, 1):
        blocks = np.kron(np.random.default_rng(seed).integers(0, 255, (4, 5, 3)), np.ones((9, 9, 1)))
        Image.fromarray(blocks.astype(np.uint8)).save(folder / f"{seed}.png")
    found = quant(folder, "calibrate", "small.strata", "0.png", "1.png", "--augment", "--auto", "--json")
    assert found.exit_code == 0, found.output
    assert quant(folder, "calibrate", "small.strata", "0.png", "-o", "plain.integers").exit_code == 0
    write_model(folder / "fresh.strata", model)
    for name in ("shapes.cfg", "shapes.weights", "shapes.names"):
        shutil.copy(DETECTOR / name, folder)
    (folder / "cut.weights").write_bytes((DETECTOR / "shapes.weights").read_bytes()[:-4])
    (folder / "own.pt2").write_bytes(b"PK")
    (folder / "two.names").write_text("one\n\ntwo\n")
    (folder / "empty").mkdir()
    return folder
