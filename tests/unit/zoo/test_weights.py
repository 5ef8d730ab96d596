import time
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from safetensors.torch import save, save_file
from torch import nn

from quant.calibration import calibrate
from quant.observations import observe
from quant.precision import Mode, uniform_plan
from services.edge.errors import ArtifactNotFound, InvalidDeclaration, InvalidWeights, Unavailable
from services.zoo.darknet.cfg import write_cfg
from services.zoo.darknet.networks import describe
from services.zoo.declared_darknet import darknet_graph
from services.zoo.integer_codec import encode_integers
from services.zoo.integers import Integers
from services.zoo.model_compile import compile_model
from services.zoo.model_file import InputDeclaration, ModelFile
from services.zoo.quantised import DeclaredGraph, declared_engine
from services.zoo.weight_references import fetch_weights
from services.zoo.weights import load_into
from services.zoo.writers import export, write_onnx, write_torch
from tests.small_web import QuietHandler, address_of, small_web


@pytest.fixture(autouse=True)
def alone() -> None:
    """An object store on loopback is part of the subject."""


def small() -> nn.Module:
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 36, 5))


def load(module: nn.Module, reference: str, folder: Path = Path()) -> None:
    load_into(module, fetch_weights(reference, folder), "mobilenet_v2", (8, 8))


def test_safetensors_are_loaded(tmp_path: Path) -> None:
    source, target = small(), small()
    save_file(source.state_dict(), tmp_path / "w.safetensors")
    load(target, "file://w.safetensors", tmp_path)
    assert torch.equal(source[0].weight, target[0].weight)  # type: ignore[index]


def test_equal_seeds_give_equal_weights_and_activations_live() -> None:
    first, second, third = small(), small(), small()
    for module, seed in ((first, 1), (second, 1), (third, 2)):
        load(module, f"random://{seed}")
    x = torch.randn(8, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    assert torch.equal(first.eval()(x), second.eval()(x))
    assert not torch.equal(first(x), third.eval()(x))
    assert 0.1 < float(first(x).detach().std()) < 10


def test_random_weights_leave_a_module_as_it_was_to_be_trained_and_run() -> None:
    module = small()
    load(module, "random://0")
    norm = next(layer for layer in module.modules() if isinstance(layer, nn.BatchNorm2d))
    assert norm.momentum == nn.BatchNorm2d(4).momentum
    assert not any(layer.training for layer in module.modules())


class Disturbed(nn.Sequential):
    """Whoever looks at its layers one after the other is not alone: another thread draws random numbers too."""

    def modules(self, *args: Any, **options: Any) -> Iterator[nn.Module]:
        for module in super().modules(*args, **options):
            torch.manual_seed(3)
            yield module


def test_equal_seeds_give_equal_weights_whoever_draws_meanwhile() -> None:
    alone, beside = small(), Disturbed(*small().children())
    with torch.random.fork_rng(devices=[]):
        for module in (alone, beside):
            load(module, "random://1")
    for name, weight in alone.state_dict().items():
        assert torch.equal(weight, beside.state_dict()[name]), name


def test_random_weights_leave_the_callers_generator_alone() -> None:
    module = small()
    state = torch.random.get_rng_state()
    load(module, "random://3")
    assert torch.equal(state, torch.random.get_rng_state())


def test_faults_name_the_tensor(tmp_path: Path) -> None:
    state = small().state_dict()
    cases = {
        "is missing": {name: value for name, value in state.items() if name != "0.weight"},
        "belongs to no layer": {**state, "9.weight": torch.zeros(1)},
        r"'4.bias' is \[6\], expected \[5\]": {**state, "4.bias": torch.zeros(6)},
        "'0.bias' holds NaN": {**state, "0.bias": torch.full((4,), float("nan"))},
        r"'0.bias' is torch.int8, expected torch.float32": {**state, "0.bias": torch.ones(4, dtype=torch.int8)},
    }
    for message, tensors in cases.items():
        save_file(tensors, tmp_path / "w.safetensors")
        module = small()
        before = module.state_dict()["4.bias"].clone()
        with pytest.raises(InvalidWeights, match=message):
            load(module, "file://w.safetensors", tmp_path)
        assert torch.equal(before, module.state_dict()["4.bias"])


def test_a_cut_or_foreign_file_is_refused(tmp_path: Path) -> None:
    save_file(small().state_dict(), tmp_path / "w.safetensors")
    whole = (tmp_path / "w.safetensors").read_bytes()
    for content in (whole[:-10], b"", b"\x80\x02pickle", whole[: len(whole) // 2]):
        (tmp_path / "w.safetensors").write_bytes(content)
        with pytest.raises(InvalidWeights, match="not a whole safetensors file"):
            load(small(), "file://w.safetensors", tmp_path)


def test_what_is_not_there_is_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFound, match=r"w\.safetensors: No such file"):
        load(small(), "file://w.safetensors", tmp_path)


@pytest.mark.parametrize(
    "reference", ["random://many", "random://²", "random://-1", f"random://{2**63}", "torchvision://IMAGENET9K"]
)
def test_a_name_that_does_not_exist_is_a_declaration_fault(reference: str) -> None:
    with pytest.raises(InvalidDeclaration):
        load(small(), reference)


def test_torchvisions_own_loader_is_used_and_a_closed_network_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def refuse(url: str, *args: object, **kwargs: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torch.hub.download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(Unavailable, match=r"mobilenet_v2.*\.pth: no route to host; fetch it where there is a network"):
        load(small(), "torchvision://IMAGENET1K_V1")


def test_a_digest_follows_the_content(tmp_path: Path) -> None:
    (tmp_path / "w").write_bytes(b"1")
    first = fetch_weights("file://w", tmp_path).digest
    (tmp_path / "w").write_bytes(b"2")
    assert fetch_weights("file://w", tmp_path).digest != first
    assert fetch_weights("random://0", tmp_path).digest == "random://0"


class Bucket(QuietHandler):
    """Enough of S3 to get objects: path-style addresses, any key is taken."""

    objects: ClassVar[dict[str, bytes]] = {}
    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        content = self.objects.get(self.path)
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.send_header("Last-Modified", "Thu, 01 Jan 2026 00:00:00 GMT")
        self.send_header("ETag", '"1"')
        self.end_headers()
        self.wfile.write(content or b"")


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[ThreadingHTTPServer]:
    with small_web(Bucket) as server:
        monkeypatch.setenv("AWS_ENDPOINT", address_of(server))
        monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "any")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "any")
        yield server


def test_weights_come_from_an_object_store(bucket: ThreadingHTTPServer) -> None:
    source, target = small(), small()
    Bucket.objects["/weights/folder/w.safetensors"] = save(source.state_dict())
    load(target, "s3://weights/folder/w.safetensors")
    assert torch.equal(source[0].weight, target[0].weight)  # type: ignore[index]
    with pytest.raises(ArtifactNotFound, match="s3://weights/nothing: no such object"):
        load(target, "s3://weights/nothing")


@pytest.mark.parametrize("file", ["small.pt2", "small.onnx"])
def test_compiling_reads_the_weights_once(bucket: ThreadingHTTPServer, file: str, tmp_path: Path) -> None:
    write = write_onnx if file.endswith(".onnx") else write_torch
    write(export(small().eval(), np.zeros((2, 3, 8, 8), np.float32)), tmp_path / file)
    Bucket.objects[f"/weights/{file}"] = (tmp_path / file).read_bytes()
    Bucket.asked.clear()
    declared = ModelFile(
        name="small", weights=f"s3://weights/{file}", input=InputDeclaration(size=(8, 8)), folder=tmp_path
    )
    compile_model(declared, tmp_path, "onnxruntime" if file.endswith(".onnx") else "torch")
    assert Bucket.asked == [f"/weights/{file}"]


def test_a_detector_in_integers_comes_from_an_object_store_whole(bucket: ThreadingHTTPServer, tmp_path: Path) -> None:
    Bucket.objects["/weights/net.cfg"] = write_cfg(describe("yolov2-tiny", size=32, classes=1)).encode()
    declared = ModelFile(
        name="net",
        architecture="darknet",
        cfg="s3://weights/net.cfg",
        weights="random://2",
        input=InputDeclaration(size=(32, 32), fit="letterbox"),
        precision="int8",
        integers="s3://weights/net.integers",
        folder=tmp_path,
    )
    graph = darknet_graph(declared, fetch_weights("random://2", tmp_path))
    x = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    integers = Integers(calibrate(graph.layers, observe(graph, [x]), "minmax").calibration)
    Bucket.objects["/weights/net.integers"] = encode_integers(DeclaredGraph("net", graph), integers)
    engine = declared_engine(declared, graph)
    assert engine.plan == uniform_plan(graph, Mode.INT8)
    assert {"/weights/net.cfg", "/weights/net.integers"} <= set(Bucket.asked)
    missing = declared.model_copy(update={"cfg": "s3://weights/none.cfg"})
    with pytest.raises(ArtifactNotFound, match=r"s3://weights/none.cfg: no such object"):
        darknet_graph(missing, fetch_weights("random://2", tmp_path))


def test_a_store_that_does_not_answer_is_unavailable_soon(
    bucket: ThreadingHTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_ENDPOINT", "http://127.0.0.1:9")
    start = time.monotonic()
    with pytest.raises(Unavailable, match="the object store did not answer"):
        load(small(), "s3://weights/w.safetensors")
    assert time.monotonic() - start < 20
