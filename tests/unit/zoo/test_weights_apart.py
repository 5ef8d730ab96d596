"""An ONNX program whose large weights stand in a file beside it: the same answers, and not a word less."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from services.edge.errors import InvalidWeights
from services.zoo.runtimes.onnxruntime import FILE_NAME, WEIGHTS_SUFFIX, load, optimised_name, write_optimised
from services.zoo.serving import load_forward
from services.zoo.writers import export, put_weights_apart, write_onnx

EXAMPLE = np.random.default_rng(0).standard_normal((2, 192), np.float32)
LARGE_BYTES = 4 * 192 * 2048


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> Path:
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("written")
    network = nn.Sequential(nn.Linear(192, 2048), nn.ReLU(), nn.Linear(2048, 5)).eval()
    write_onnx(export(network, EXAMPLE), folder / FILE_NAME)
    return folder / FILE_NAME


@pytest.fixture
def folder(written: Path, tmp_path: Path) -> Path:
    (tmp_path / FILE_NAME).write_bytes(written.read_bytes())
    return tmp_path


def test_only_large_weights_are_put_apart_and_answers_stay(folder: Path) -> None:
    expected = load(folder, 1)(EXAMPLE)
    put_weights_apart(folder / FILE_NAME)
    assert (folder / f"{FILE_NAME}{WEIGHTS_SUFFIX}").stat().st_size == LARGE_BYTES
    assert 4 * 2048 * 5 < (folder / FILE_NAME).stat().st_size < 2**18
    assert np.array_equal(load(folder, 1)(EXAMPLE), expected)


def test_an_optimised_program_has_its_large_weights_apart(folder: Path) -> None:
    expected = load(folder, 1)(EXAMPLE)
    write_optimised(folder)
    (folder / FILE_NAME).unlink()
    assert (folder / f"{optimised_name()}{WEIGHTS_SUFFIX}").stat().st_size >= LARGE_BYTES
    assert np.array_equal(load(folder, 1)(EXAMPLE), expected)


@pytest.mark.parametrize("missing", ["half", "all"])
def test_weights_that_are_not_whole_are_refused(folder: Path, missing: str) -> None:
    put_weights_apart(folder / FILE_NAME)
    weights = folder / f"{FILE_NAME}{WEIGHTS_SUFFIX}"
    if missing == "half":
        weights.write_bytes(weights.read_bytes()[: LARGE_BYTES // 2])
    else:
        weights.unlink()
    with pytest.raises(InvalidWeights, match="compile it anew"):
        load_forward("onnxruntime", folder, 1)
