"""Compiled stages: in torch the chain is the compiled model to the last bit; each holds its own weights alone."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
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


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one test compiled, the others find."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> ModelFile:
    """SqueezeNet 1.1 up to its fourth Fire module: [N, 3, 64, 64] to [N, 10]."""
    folder = tmp_path_factory.mktemp("models")
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        network = squeezenet1_1(num_classes=10)
        network.features = network.features[:8]
        network.classifier[1] = nn.Conv2d(256, 10, 1)
    write_torch(export(network.eval(), np.zeros((2, 3, *SIZE), np.float32)), folder / "small.pt2")
    return ModelFile(name="small", weights="file://small.pt2", input=InputDeclaration(size=SIZE), folder=folder)


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


def test_stages_say_what_they_are_and_are_compiled_once(model_file: ModelFile, tmp_path: Path) -> None:
    said: list[str] = []

    def progress(step: str, done: int = 0, total: int = 0, /) -> None:
        said.append(step)

    folders = compile_stages(model_file, CUTTING, tmp_path, "torch", progress)
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
    said.clear()
    assert compile_stages(model_file, CUTTING, tmp_path, "torch", progress) == folders
    assert said == []


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


def test_other_cuts_are_another_chain(model_file: ModelFile, tmp_path: Path) -> None:
    chains = {
        StageManifest.read(compile_stages(model_file, cutting, tmp_path, "torch")[0]).chain
        for cutting in (Cutting(layers=("features.2",)), Cutting(layers=("features.5",)))
    }
    assert len(chains) == 2


def test_a_cut_that_cannot_be_leaves_nothing(tmp_path: Path) -> None:
    residual = ModelFile(
        name="small", architecture="resnet18", weights="random://0", input=InputDeclaration(size=SIZE), folder=tmp_path
    )
    with pytest.raises(InvalidInput, match="residual edge"):
        compile_stages(residual, Cutting(layers=("layer1.0.conv1",)), tmp_path, "torch")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_without_a_stage_and_one_with_a_broken_manifest_are_named(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFound, match="no compiled stage here"):
        StageManifest.read(tmp_path)
    (tmp_path / "stage.json").write_text('{"model": "x"}')
    with pytest.raises(InvalidDeclaration, match="not the manifest of a compiled stage"):
        StageManifest.read(tmp_path)
