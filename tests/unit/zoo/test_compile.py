import gc
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from importlib import import_module
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from safetensors.torch import save_file
from torch import Tensor, nn

from services.edge.errors import (
    ArtifactNotFound,
    InvalidDeclaration,
    InvalidWeights,
    StrataError,
    Unavailable,
    Unsupported,
)
from services.zoo.agreement import Forward, Images
from services.zoo.architectures import build
from services.zoo.cache_folder import default_cache
from services.zoo.manifest import Manifest
from services.zoo.model_compile import compile_model
from services.zoo.model_file import read_model_file
from services.zoo.runtimes import openvino, sleep
from services.zoo.runtimes.onnxruntime import optimised_name
from services.zoo.writers import export, write_onnx, write_openvino, write_torch

EXAMPLE = np.random.default_rng(0).standard_normal((2, 3, 8, 8), np.float32)
RUNTIMES = ["torch", "onnxruntime", "openvino"]
FIND = """
import sys
from pathlib import Path
import services.cli.local_service
import services.model.process
from services.zoo.model_compile import compile_model
from services.zoo.model_file import read_model_file
print(compile_model(read_model_file(Path(sys.argv[1])), Path(sys.argv[2])))
sys.exit(bool({"torch", "onnx"} & set(sys.modules)))
"""


class Small(nn.Module):
    """[N, 3, H, W] to [N, 5]."""

    def __init__(self) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(0)
        self.conv = nn.Conv2d(3, 4, 3, padding=1)
        self.linear = nn.Linear(4, 5)
        for parameter in self.parameters():
            nn.init.normal_(parameter, generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = self.linear(self.conv(x).relu().mean((2, 3)))
        return scores


class Noisy(Small):
    """Answers differently each time."""

    def forward(self, x: Tensor) -> Tensor:
        scores = super().forward(x)
        return scores + torch.rand_like(scores)


class Mixing(Small):
    """Answers a picture by looking at others, or at those before."""

    calls: Tensor

    def __init__(self, mixes: str) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(3)
        self.register_buffer("calls", torch.zeros(()))
        self._mixes = mixes
        self.train(mixes == "training mode")

    def forward(self, x: Tensor) -> Tensor:
        if self._mixes == "training mode":
            x = self.norm(x)
        elif self._mixes == "statistics of the batch":
            x = F.batch_norm(x, None, None, training=True)
        elif self._mixes == "first picture":
            x = x - 0.5 * x[:1]
        else:
            x = x + self.calls.add_(1)
        return super().forward(x)


MIXING = {
    "training mode": "normalises by the batch",
    "statistics of the batch": "normalises by the batch",
    "first picture": "mixes pictures",
    "state": "asked twice",
}


class Answers(Small):
    """Answers what a function makes of the scores."""

    def __init__(self, function: Callable[[Tensor], object]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: Tensor) -> Tensor:
        return self._function(super().forward(x))  # type: ignore[return-value]


class Spectral(Small):
    """Takes eigenvalues, for which ONNX has no operator."""

    def forward(self, x: Tensor) -> Tensor:
        scores: Tensor = super().forward(x) + torch.linalg.eigvals(x[:, :, :3, :3].mean(1)).abs().sum(1, keepdim=True)
        return scores


class Maps(Small):
    """Answers [N, 4, H, W]."""

    def forward(self, x: Tensor) -> Tensor:
        maps: Tensor = self.conv(x)
        return maps


def declare(folder: Path, weights: str, more: str = "") -> Path:
    path = folder / "small.yaml"
    path.write_text(f"name: small\nweights: {weights}\ninput: {{size: [8, 8]}}\n{more}")
    return path


def compile_reporting(path: Path, cache: Path) -> tuple[Manifest, list[str]]:
    steps: list[str] = []
    folder = compile_model(read_model_file(path), cache, report=lambda step, *_: steps.append(step))
    return Manifest.read(folder), steps


@pytest.fixture(scope="module")
def programs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a user's own `small.pt2` and `small.onnx`."""
    folder = tmp_path_factory.mktemp("programs")
    program = export(Small().eval(), EXAMPLE)
    write_torch(program, folder / "small.pt2")
    write_onnx(program, folder / "small.onnx")
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one test compiled of `programs`, the others find; none of them changes it."""
    return tmp_path_factory.mktemp("cache")


def run(folder: Path, batch: NDArray[np.float32]) -> NDArray[np.float32]:
    scores: NDArray[np.float32] = import_module(f"services.zoo.runtimes.{Manifest.read(folder).runtime}").load(
        folder, 1
    )(batch)
    return scores


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_each_runtime_answers_as_torch_at_every_batch(runtime: str, programs: Path, cache: Path) -> None:
    folder = compile_model(read_model_file(declare(programs, "file://small.pt2")), cache, runtime)
    for N in (1, 2, 7):
        batch = np.random.default_rng(N).standard_normal((N, 3, 8, 8), np.float32)
        with torch.inference_mode():
            expected = Small()(torch.from_numpy(batch)).numpy()
        np.testing.assert_allclose(run(folder, batch), expected, atol=1e-4)


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_an_answer_is_not_overwritten_by_the_next(runtime: str, programs: Path, cache: Path) -> None:
    folder = compile_model(read_model_file(declare(programs, "file://small.onnx")), cache, runtime)
    forward = import_module(f"services.zoo.runtimes.{runtime}").load(folder, 1)
    first = forward(EXAMPLE)
    kept = first.copy()
    forward(-EXAMPLE)
    assert np.array_equal(first, kept)


def test_openvino_loads_the_blob_where_it_fits_and_the_model_elsewhere(
    programs: Path, cache: Path, tmp_path: Path
) -> None:
    compiled = compile_model(read_model_file(declare(programs, "file://small.onnx")), cache, "openvino")
    folder = shutil.copytree(compiled, tmp_path / "small")
    expected = run(folder, EXAMPLE)
    weights, [blob] = folder / "model.bin", folder.glob("*.blob")
    kept = weights.read_bytes()
    weights.write_bytes(bytes(len(kept)))
    assert np.array_equal(run(folder, EXAMPLE), expected)
    weights.write_bytes(kept)
    blob.rename(folder / "model-of-another-machine.blob")
    np.testing.assert_allclose(run(folder, EXAMPLE), expected, atol=1e-5)


def test_openvino_takes_a_batch_however_it_lies_in_memory(programs: Path, cache: Path) -> None:
    folder = compile_model(read_model_file(declare(programs, "file://small.onnx")), cache, "openvino")
    forward = openvino.load(folder, 1)
    gc.collect()  # where weights lie is the forward pass's own
    expected = forward(EXAMPLE)
    read_only, strided = EXAMPLE.copy(), EXAMPLE[:, :, ::-1].copy()[:, :, ::-1]
    read_only.flags.writeable = False
    assert np.array_equal(forward(read_only), expected)
    assert np.array_equal(forward(strided), expected)


def test_onnx_runtime_loads_the_optimised_graph_where_it_fits_and_the_program_elsewhere(
    programs: Path, cache: Path, tmp_path: Path
) -> None:
    compiled = compile_model(read_model_file(declare(programs, "file://small.onnx")), cache, "onnxruntime")
    folder = shutil.copytree(compiled, tmp_path / "small")
    program, optimised = folder / "model.onnx", folder / optimised_name()
    kept = program.read_bytes()
    program.write_bytes(b"")
    expected = run(folder, EXAMPLE)
    program.write_bytes(kept)
    optimised.rename(folder / "model-of-another-machine.onnx")
    assert np.array_equal(run(folder, EXAMPLE), expected)


def test_a_blob_is_named_after_the_instruction_set(tmp_path: Path) -> None:
    from services.zoo.runtimes.openvino import blob_name

    infos = [tmp_path / name for name in ("one", "same", "other")]
    for path, flags in zip(infos, ("fpu avx2", "fpu avx2", "fpu avx512f"), strict=True):
        path.write_text(f"model name\t: {path.name}\nflags\t\t: {flags}\n")
    one, same, other = map(blob_name, infos)
    assert one == same != other


def test_the_fastest_runtime_is_kept_alone_and_reported(programs: Path, tmp_path: Path) -> None:
    steps: list[str] = []
    path = declare(programs, "file://small.pt2", "labels: [a, b, c, d, e]\n")
    folder = compile_model(read_model_file(path), tmp_path, report=lambda step, *_: steps.append(step))
    manifest = Manifest.read(folder)
    assert steps[-1].startswith(f"small: {manifest.runtime} ")
    assert all(f"{runtime} " in steps[-1] for runtime in RUNTIMES)
    assert (manifest.name, manifest.input_shape, manifest.output_shape) == ("small", (-1, 3, 8, 8), (-1, 5))
    assert manifest.labels == tuple("abcde")
    suffixes = {"torch": {".pt2"}, "onnxruntime": {".onnx"}, "openvino": {".xml", ".bin", ".blob"}}
    assert {path.suffix for path in folder.iterdir()} == suffixes[manifest.runtime] | {".json"}


def test_a_folder_is_named_after_what_went_in(programs: Path, tmp_path: Path) -> None:
    path = declare(programs, "file://small.onnx")
    first = compile_model(read_model_file(path), tmp_path, "onnxruntime")
    steps: list[str] = []
    assert compile_model(read_model_file(path), tmp_path, "onnxruntime", lambda step, *_: steps.append(step)) == first
    assert steps == []
    declare(programs, "file://small.onnx", "labels: [a, b, c, d, e]\n")
    second = compile_model(read_model_file(path), tmp_path, "onnxruntime")
    assert second != first
    assert Manifest.read(second).version == second.name.removeprefix("small-")


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino"])
def test_compiled_models_are_loaded_without_torch(runtime: str, programs: Path, cache: Path) -> None:
    folder = compile_model(read_model_file(declare(programs, "file://small.onnx")), cache, runtime)
    code = f"""
import sys
from pathlib import Path
import numpy
from services.zoo.runtimes import {runtime} as runtime
assert runtime.load(Path({str(folder)!r}), 1)(numpy.zeros((1, 3, 8, 8), numpy.float32)).shape == (1, 5)
sys.exit(bool({{"torch", "torchvision", "pydantic"}} & set(sys.modules)))
"""
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


@pytest.mark.slow
def test_a_network_with_parameters_and_trained_weights_is_compiled(tmp_path: Path) -> None:
    module = build("squeezenet1_1", 10, dropout=0.0).eval()
    save_file(module.state_dict(), tmp_path / "w.safetensors")
    path = tmp_path / "small.yaml"
    path.write_text(
        "name: small\narchitecture: squeezenet1_1\nparameters: {dropout: 0}\nclasses: 10\n"
        "weights: file://w.safetensors\ninput: {size: [32, 32]}\n"
    )
    folder = compile_model(read_model_file(path), tmp_path / "cache", "torch")
    batch = np.random.default_rng(1).standard_normal((3, 3, 32, 32), np.float32)
    with torch.inference_mode():
        np.testing.assert_allclose(run(folder, batch), module(torch.from_numpy(batch)).numpy(), atol=1e-4)


def test_a_model_that_is_compiled_is_found_without_torch(tmp_path: Path) -> None:
    path = tmp_path / "sleeper.yaml"
    path.write_text("name: sleeper\narchitecture: sleep\nparameters: {delay_ms: 1}\nweights: random://0\n")
    folder = compile_model(read_model_file(path), tmp_path / "cache")
    found = subprocess.run([sys.executable, "-c", FIND, path, tmp_path / "cache"], capture_output=True, text=True)
    assert (found.stdout, found.returncode) == (f"{folder}\n", 0), found.stderr


def test_a_sleeping_model_takes_its_time(tmp_path: Path) -> None:
    path = tmp_path / "sleeper.yaml"
    path.write_text("name: sleeper\narchitecture: sleep\nparameters: {delay_ms: 20, classes: 7}\nweights: random://0\n")
    folder = compile_model(read_model_file(path), tmp_path / "cache")
    start = time.perf_counter()
    assert run(folder, np.zeros((3, 3, 224, 224), np.float32)).shape == (3, 7)
    assert time.perf_counter() - start >= 0.02


def test_a_straggler_is_late_now_and_then_and_alike_in_every_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "straggler.yaml"
    path.write_text(
        "name: straggler\narchitecture: sleep\nweights: random://0\n"
        "parameters: {delay_ms: 10, straggle_ms: 500, straggle_share: 0.1, classes: 7}\n"
    )
    folder = compile_model(read_model_file(path), tmp_path / "cache")
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for _ in range(2):
        forward = sleep.load(folder, 1)
        for _ in range(1000):
            forward(np.zeros((1, 3, 8, 8), np.float32))
    assert slept[:1000] == slept[1000:]
    assert set(slept) == {0.01, 0.51}
    assert 70 < slept[:1000].count(0.51) < 130


def write_fixed_batch(folder: Path) -> None:
    torch.export.save(torch.export.export(Small().eval(), (torch.from_numpy(EXAMPLE[:1]),)), folder / "small.pt2")


def write_other_size(folder: Path) -> None:
    write_torch(export(Small().eval(), np.zeros((2, 3, 9, 9), np.float32)), folder / "small.pt2")


def write_cut(folder: Path) -> None:
    write_torch(export(Small().eval(), EXAMPLE), folder / "small.pt2")
    whole = (folder / "small.pt2").read_bytes()
    (folder / "small.pt2").write_bytes(whole[: len(whole) // 2])


def write_nan(folder: Path) -> None:
    module = Small().eval()
    nn.init.constant_(module.linear.bias, float("nan"))
    write_torch(export(module, EXAMPLE), folder / "small.pt2")


def write_mixing(folder: Path, form: str, mixes: str) -> None:
    write = write_torch if form == "pt2" else write_onnx
    write(export(Mixing(mixes), EXAMPLE), folder / f"small.{form}")


def write_bounded(folder: Path) -> None:
    sizes = ({0: torch.export.Dim("batch", min=2, max=64)},)
    torch.export.save(
        torch.export.export(Small().eval(), (torch.from_numpy(EXAMPLE),), dynamic_shapes=sizes), folder / "small.pt2"
    )


def write_onnx_of(taken: str, answered: str) -> Callable[[Path], None]:
    """A program that takes and answers these types, and computes in float32 between."""
    types = {name: getattr(onnx.TensorProto, name.upper()) for name in (taken, answered)}

    def write(folder: Path) -> None:
        helper = onnx.helper
        nodes = [
            helper.make_node("Cast", ["image"], ["x"], to=onnx.TensorProto.FLOAT),
            helper.make_node("ReduceMean", ["x"], ["mean"], axes=[2, 3], keepdims=0),
            helper.make_node("Cast", ["mean"], ["scores"], to=types[answered]),
        ]
        image = helper.make_tensor_value_info("image", types[taken], ["N", 3, 8, 8])
        scores = helper.make_tensor_value_info("scores", types[answered], ["N", "K"])
        graph = helper.make_graph(nodes, "cast", [image], [scores])
        program = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.save(program, folder / "small.onnx")

    return write


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize(
    ("write", "error", "message"),
    [
        (Path.stat, ArtifactNotFound, "No such file"),
        (lambda folder: (folder / "small.pt2").write_bytes(b"text"), InvalidWeights, "not a program of torch.export"),
        (write_cut, InvalidWeights, "not a program of torch.export"),
        (write_nan, InvalidWeights, "NaN or infinity"),
        (write_fixed_batch, InvalidDeclaration, "dynamic N"),
        (write_other_size, InvalidDeclaration, r"does not take a batch of \[2, 3, 8, 8\]"),
        (
            lambda folder: write_torch(export(Maps().eval(), EXAMPLE), folder / "small.pt2"),
            InvalidDeclaration,
            r"answers \[2, 4, 8, 8\], expected scores \[N, K\]",
        ),
        (
            lambda folder: write_torch(export(Noisy().eval(), EXAMPLE), folder / "small.pt2"),
            Unsupported,
            "the same pictures asked twice .* draws random numbers",
        ),
        (
            lambda folder: write_torch(export(Small().eval().half(), EXAMPLE.astype(np.float16)), folder / "small.pt2"),
            InvalidDeclaration,
            r"takes float16 \[.*\]; expected one float32 input",
        ),
        (
            lambda folder: write_torch(export(Answers(lambda x: x.double()), EXAMPLE), folder / "small.pt2"),
            InvalidDeclaration,
            r"answers float64 \[.*, 5\]; expected",
        ),
        (
            lambda folder: write_torch(export(Answers(lambda x: {"scores": x}), EXAMPLE), folder / "small.pt2"),
            InvalidDeclaration,
            "answers a list or dictionary",
        ),
        (
            lambda folder: write_torch(export(Answers(lambda x: (x, x + 1)), EXAMPLE), folder / "small.pt2"),
            InvalidDeclaration,
            r"answers float32 \[.*\], float32 ",
        ),
        *(
            (partial(write_mixing, form=form, mixes=mixes), Unsupported, message)
            for form in ("pt2", "onnx")
            for mixes, message in MIXING.items()
            if form == "pt2" or mixes not in ("training mode", "state")  # which torch writes to ONNX as evaluation
        ),
        (
            write_bounded,
            InvalidDeclaration,
            "takes at most 64 pictures at once; export it for any number",
        ),
        (write_onnx_of("uint8", "float"), InvalidDeclaration, r"takes uint8 \[N, 3, 8, 8\]; expected"),
        (write_onnx_of("bool", "float"), InvalidDeclaration, "takes bool"),
        (write_onnx_of("int32", "float"), InvalidDeclaration, "takes int32"),
        (write_onnx_of("float16", "float"), InvalidDeclaration, "takes float16"),
        (write_onnx_of("float", "double"), InvalidDeclaration, r"answers double \[N, K\]"),
        (write_onnx_of("float", "int64"), InvalidDeclaration, "answers int64"),
        (
            lambda folder: torch.save(Small().state_dict(), folder / "small.pt2"),
            InvalidWeights,
            "but a checkpoint of torch.save",
        ),
        (
            lambda folder: torch.jit.trace(Small(), torch.zeros(1, 3, 8, 8)).save(folder / "small.pt2"),  # type: ignore[no-untyped-call]
            InvalidWeights,
            "but a TorchScript program",
        ),
    ],
)  # fmt: skip
def test_a_program_at_fault_is_named_and_leaves_nothing(
    write: object, error: type[StrataError], message: str, tmp_path: Path
) -> None:
    assert callable(write)
    write(tmp_path)
    cache = tmp_path / "cache"
    file = "small.onnx" if (tmp_path / "small.onnx").exists() else "small.pt2"
    with pytest.raises(error, match=message):
        compile_model(read_model_file(declare(tmp_path, f"file://{file}")), cache)
    assert not cache.exists() or list(cache.iterdir()) == []


@pytest.mark.parametrize("keep", [0, 10, 0.5])
def test_an_onnx_file_that_is_none_or_is_cut_is_refused(keep: float, programs: Path, tmp_path: Path) -> None:
    whole = (programs / "small.onnx").read_bytes()
    (tmp_path / "small.onnx").write_bytes(b"not onnx" if keep == 10 else whole[: int(len(whole) * keep)])
    with pytest.raises(InvalidWeights, match=r"small\.onnx"):
        compile_model(read_model_file(declare(tmp_path, "file://small.onnx")), tmp_path / "cache")


def test_a_runtime_that_cannot_run_a_program_is_passed_over(tmp_path: Path) -> None:
    write_torch(export(Spectral().eval(), EXAMPLE), tmp_path / "small.pt2")
    manifest, steps = compile_reporting(declare(tmp_path, "file://small.pt2"), tmp_path / "cache")
    assert manifest.runtime == "torch"
    assert any("onnxruntime cannot run it" in each for each in steps)


@pytest.mark.parametrize("fault", ["raises", "NaN"])
def test_a_runtime_that_fails_where_another_answers_is_passed_over(
    fault: str, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def load(_: Path, __: int) -> Forward:
        def forward(images: Images) -> Images:
            if fault == "raises":
                raise RuntimeError("no such kernel")
            return np.full((len(images), 5), np.nan, np.float32)

        return forward

    monkeypatch.setattr(openvino, "load", load)
    manifest, steps = compile_reporting(declare(programs, "file://small.pt2"), tmp_path)
    assert manifest.runtime in ("torch", "onnxruntime")
    assert any("openvino" in each and ("no such kernel" in each or "NaN" in each) for each in steps)


def bend(monkeypatch: pytest.MonkeyPatch, bent: Callable[[Images], Images]) -> None:
    """Let OpenVINO answer something else than the network."""
    load = openvino.load

    def bent_load(folder: Path, threads: int) -> Forward:
        forward = load(folder, threads)
        return lambda images: bent(forward(images))

    monkeypatch.setattr(openvino, "load", bent_load)


@pytest.mark.parametrize("file", ["small.pt2", "small.onnx"])
def test_a_runtime_whose_scores_differ_by_more_than_rounding_is_passed_over(
    file: str, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bend(monkeypatch, lambda scores: scores * np.float32(1 + 2e-5))
    manifest, steps = compile_reporting(declare(programs, f"file://{file}"), tmp_path)
    assert manifest.runtime != "openvino"
    assert any(
        re.search(r"scores of openvino differ from \w+'s by .* rounding to float32 explains", each) for each in steps
    )


@pytest.mark.parametrize("file", ["small.pt2", "small.onnx"])
def test_a_form_with_one_other_weight_is_passed_over(
    file: str, programs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def bent_write(onnx_file: Path, folder: Path) -> None:
        program = onnx.load(onnx_file)
        weight = next(each for each in program.graph.initializer if len(each.dims) == 4)
        values = onnx.numpy_helper.to_array(weight).copy()
        values.flat[7] *= 1.001
        weight.CopyFrom(onnx.numpy_helper.from_array(values, weight.name))
        onnx.save(program, folder / "bent.onnx")
        write_openvino(folder / "bent.onnx", folder)

    monkeypatch.setattr("services.zoo.compile.write_openvino", bent_write)
    manifest, steps = compile_reporting(declare(programs, f"file://{file}"), tmp_path)
    assert manifest.runtime != "openvino"
    assert any("scores of openvino differ" in each for each in steps)


def test_an_onnx_file_without_its_weights_says_how_to_write_both_into_one(programs: Path, tmp_path: Path) -> None:
    onnx.save(onnx.load(programs / "small.onnx"), tmp_path / "small.onnx", save_as_external_data=True, size_threshold=0)
    with pytest.raises(InvalidWeights, match=r"its weights lie in another file; .* external_data=False"):
        compile_model(read_model_file(declare(tmp_path, "file://small.onnx")), tmp_path / "cache")


def test_a_cache_that_cannot_be_is_named_with_what_to_do(programs: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match=r"file/cache: .*STRATA_CACHE"):
        compile_model(read_model_file(declare(programs, "file://small.onnx")), tmp_path / "file/cache")


def test_torch_cannot_run_onnx(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(Unsupported, match="choose onnxruntime or openvino"):
        compile_model(read_model_file(declare(programs, "file://small.onnx")), tmp_path, "torch")


def test_labels_must_be_as_many_as_classes(programs: Path, tmp_path: Path) -> None:
    with pytest.raises(InvalidDeclaration, match="'small' has 5 classes and 2 labels"):
        compile_model(
            read_model_file(declare(programs, "file://small.onnx", "labels: [a, b]\n")), tmp_path, "onnxruntime"
        )


def test_the_cache_is_where_the_environment_says() -> None:
    assert default_cache({"STRATA_CACHE": "/x"}) == Path("/x")
    assert default_cache({"XDG_CACHE_HOME": "/y"}) == Path("/y/strata")
    assert default_cache({}) == Path.home() / ".cache" / "strata"
