"""Compiled stages: in torch the chain is the compiled model to the last bit; each holds its own weights alone."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torchvision.models import squeezenet1_1

from services.edge.errors import ArtifactNotFound, InvalidDeclaration, InvalidInput
from services.zoo.compile import load_module
from services.zoo.cuts import find_cuts
from services.zoo.model_compile import compile_model
from services.zoo.model_file import InputDeclaration, ModelFile
from services.zoo.serving import Values, load_forward
from services.zoo.stage_compile import Cutting, compile_stages
from services.zoo.stage_manifest import StageManifest
from services.zoo.writers import export, write_torch

SIZE = (64, 64)
CUTTING = Cutting(
    layers=("features.3.cat", "features.4.cat", "features.6.cat"), names=("stem", "first", "second", "last")
)


class Residual(nn.Module):
    """Three layers and a residual edge around the second: [N, 3, H, W] to [N, 3]."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.third = (nn.Conv2d(3, 3, 3, padding=1) for _ in range(3))

    def forward(self, x: Tensor) -> Tensor:
        y = self.first(x)
        scores: Tensor = self.third(y + self.second(y).relu()).mean((2, 3))
        return scores


def declare(folder: Path, network: nn.Module) -> ModelFile:
    write_torch(export(network.eval(), np.zeros((2, 3, *SIZE), np.float32)), folder / "small.pt2")
    return ModelFile(name="small", weights="file://small.pt2", input=InputDeclaration(size=SIZE), folder=folder)


class InTorch(NamedTuple):
    """The stages compiled for torch, and the steps that were reported meanwhile."""

    cache: Path
    folders: list[Path]
    said: list[str]


@pytest.fixture(scope="module")
def in_torch(model_file: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> InTorch:
    cache, said = tmp_path_factory.mktemp("cache"), list[str]()
    folders = compile_stages(model_file, CUTTING, cache, "torch", lambda step, *_: said.append(step))
    return InTorch(cache, folders, said)


@pytest.fixture(scope="module")
def cache(in_torch: InTorch) -> Path:
    """What was compiled for torch, and what one test compiles beside it, the others find."""
    return in_torch.cache


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    """SqueezeNet 1.1 up to its fourth Fire module: [N, 3, 64, 64] to [N, 10]."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = squeezenet1_1(num_classes=10)
        network.features = network.features[:8]
        network.classifier[1] = nn.Conv2d(256, 10, 1)
    return declare(tmp_path_factory.mktemp("models"), network)


def run(folders: list[Path], values: Values) -> Values:
    for folder in folders:
        values = load_forward(StageManifest.read(folder).runtime, folder, 1)(values)
    return values


def pictures(count: int) -> Values:
    return np.random.default_rng(1).standard_normal((count, 3, *SIZE), np.float32)


@pytest.mark.slow
def test_the_stages_in_torch_are_the_model_in_torch_to_the_last_bit(model_file: ModelFile, cache: Path) -> None:
    stages = compile_stages(model_file, CUTTING, cache, "torch")
    whole = load_forward("torch", compile_model(model_file, cache, "torch"), 1)
    for count in (1, 3):
        assert np.array_equal(run(stages, pictures(count)), whole(pictures(count)))


def test_a_cut_between_a_convolution_and_its_norm_leaves_torch_the_last_bit(tmp_path: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    with torch.no_grad():
        network(torch.from_numpy(pictures(8)))  # the norm's statistics are those of pictures
    normed = declare(tmp_path, network)
    whole = load_forward("torch", compile_model(normed, tmp_path, "torch"), 1)(pictures(3))
    assert np.array_equal(run(compile_stages(normed, Cutting(layers=("0",)), tmp_path, "torch"), pictures(3)), whole)
    with torch.inference_mode():
        assert np.array_equal(whole, network(torch.from_numpy(pictures(3))).numpy())


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_the_stages_in_other_runtimes_are_close(model_file: ModelFile, cache: Path, runtime: str) -> None:
    stages = compile_stages(model_file, CUTTING, cache, runtime)
    with torch.inference_mode():
        expected = load_module(model_file)(torch.from_numpy(pictures(3))).numpy()
    assert float(np.abs(run(stages, pictures(3)) - expected).max() / np.abs(expected).max()) <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize("runtime", ["torch", "onnxruntime", "openvino"])
def test_several_threads_may_compute_at_a_time(model_file: ModelFile, cache: Path, runtime: str) -> None:
    folder, *_ = compile_stages(model_file, CUTTING, cache, runtime)
    forward = load_forward(runtime, folder, 1)
    batches = [pictures(2) + np.float32(n) for n in range(8)]
    expected = [forward(batch) for batch in batches]
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(forward, batches * 4))
    assert all(np.array_equal(one, other) for one, other in zip(found, expected * 4, strict=True))


@pytest.mark.slow
def test_each_stages_file_has_its_own_weights_alone(model_file: ModelFile, cache: Path) -> None:
    graph = find_cuts(load_module(model_file), SIZE)
    state = graph.module.state_dict()
    bounds = [0, *(graph.cut_at(layer).position + 1 for layer in CUTTING.layers), len(graph.layers)]
    for folder, (start, end) in zip(
        compile_stages(model_file, CUTTING, cache, "onnxruntime"), pairwise(bounds), strict=True
    ):
        weight_bytes = sum(state[name].nbytes for layer in graph.layers[start:end] for name in layer.weights)
        size_bytes = sum(path.stat().st_size for path in folder.iterdir())
        assert weight_bytes <= size_bytes <= weight_bytes + 50_000


def test_stages_say_what_they_are_and_are_compiled_once(model_file: ModelFile, in_torch: InTorch) -> None:
    cache, folders, said = in_torch
    manifests = [StageManifest.read(folder) for folder in folders]
    assert [(each.stage, each.stages, each.name) for each in manifests] == [
        (0, 4, "stem"),
        (1, 4, "first"),
        (2, 4, "second"),
        (3, 4, "last"),
    ]
    assert [one.output_shape for one in manifests[:-1]] == [one.input_shape for one in manifests[1:]]
    assert (manifests[0].input_shape, manifests[-1].output_shape) == ((3, 64, 64), (10,))
    assert (manifests[0].first, manifests[0].last) == ("features.0", "features.3.cat")
    assert manifests[0].working_bytes == 2 * 4 * 64 * 31 * 31  # the ReLU reads and writes the largest value
    assert len({each.chain for each in manifests}) == 1
    assert "small: compiling stage last" in said
    again: list[str] = []
    assert compile_stages(model_file, CUTTING, cache, "torch", lambda step, *_: again.append(step)) == folders
    assert again == []


def test_stages_that_are_compiled_are_found_without_torch(model_file: ModelFile, cache: Path) -> None:
    folders = compile_stages(model_file, CUTTING, cache, "torch")
    program = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "import services.cli.pipeline_run\n"
        "from services.zoo.model_file import ModelFile\n"
        "from services.zoo.stage_compile import Cutting, compile_stages\n"
        "model_file, cutting, cache = map(json.loads, sys.argv[1:])\n"
        "cutting = Cutting(*map(tuple, cutting))\n"
        "found = compile_stages(ModelFile.model_validate(model_file), cutting, Path(cache), 'torch')\n"
        "print(json.dumps([[str(folder) for folder in found], 'torch' in sys.modules]))\n"
    )
    words = model_file.model_dump(mode="json"), [CUTTING.layers, CUTTING.names], str(cache)
    ran = subprocess.run(
        [sys.executable, "-c", program, *map(json.dumps, words)], capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == [[str(folder) for folder in folders], False]


@pytest.fixture
def residual(tmp_path: Path) -> ModelFile:
    return declare(tmp_path, Residual())


def test_other_cuts_are_another_chain(residual: ModelFile, tmp_path: Path) -> None:
    chains = {
        StageManifest.read(compile_stages(residual, cutting, tmp_path / "cache", "torch")[0]).chain
        for cutting in (Cutting(layers=("first",)), Cutting(layers=("third",)))
    }
    assert len(chains) == 2


def test_a_cut_that_cannot_be_leaves_nothing(residual: ModelFile, tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="residual edge"):
        compile_stages(residual, Cutting(layers=("second",)), tmp_path / "cache", "torch")
    assert list((tmp_path / "cache").iterdir()) == []


def test_a_folder_without_a_stage_and_one_with_a_broken_manifest_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFound, match="no compiled stage here"):
        StageManifest.read(tmp_path)
    (tmp_path / "stage.json").write_text('{"model": "x"}')
    with pytest.raises(InvalidDeclaration, match="not the manifest of a compiled stage"):
        StageManifest.read(tmp_path)
