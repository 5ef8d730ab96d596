"""Model files of integer precision: compiled for a runtime that comes to the engine's codes, or refused."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper
from PIL import Image

from quant.engine import Engine
from quant.graph import Graph
from quant.operations import Conv2d
from quant.precision import Mode
from services.edge.errors import (
    ArtifactNotFound,
    DamagedFile,
    EmptyBatch,
    InvalidDeclaration,
    NoAutoPlan,
    OtherModel,
    StrataError,
)
from services.edge.progress import Progress
from services.workbench.calibrating import calibrate_model
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.opening import open_model
from services.workbench.pictures import EncodedPicture, EncodedPictures
from services.zoo.catalog import Catalog
from services.zoo.compiled import digest_of
from services.zoo.integer_codec import encode_integers
from services.zoo.integers import Integers
from services.zoo.manifest import Manifest
from services.zoo.model_compile import compile_model
from services.zoo.model_file import ModelFile, read_model_file
from services.zoo.onnx_form.agreement import compare_codes
from services.zoo.onnx_form.part import EnginePart
from services.zoo.onnx_form.runs import run_in_onnxruntime
from services.zoo.quantised import declared_engine
from services.zoo.serving import load_forward
from services.zoo.weight_references import fetch_weights

pytestmark = pytest.mark.usefixtures("exported_once")

FLOAT = (
    "name: small\narchitecture: mobilenet_v2\nparameters: {width_mult: 0.25}\nclasses: 3\nweights: random://0\n"
    "labels: [day, night, dusk]\ninput: {size: [32, 32]}\n"
)


def write_pictures(folder: Path, count: int = 3) -> None:
    folder.mkdir(parents=True)
    for seed in range(count):
        blocks = np.kron(np.random.default_rng(seed).integers(0, 255, (5, 6, 3)), np.ones((8, 8, 1)))
        Image.fromarray(blocks.astype(np.uint8)).save(folder / f"{seed}.png")


def declare(folder: Path, more: str) -> ModelFile:
    (folder / "small.yaml").write_text(FLOAT + more)
    return read_model_file(folder / "small.yaml")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Pictures, and the float model's file."""
    folder = tmp_path_factory.mktemp("models")
    write_pictures(folder / "pictures")
    declare(folder, "")
    return folder


@pytest.fixture(scope="module")
def calibrated(folder: Path, exported_once: None) -> tuple[EngineModel, Integers]:
    model = open_model("small", Catalog([folder]))
    encoded = [EncodedPicture(path.name, path.read_bytes()) for path in sorted((folder / "pictures").iterdir())]
    return model, calibrate_model(model, EncodedPictures(encoded)).integers


@pytest.fixture(scope="module")
def place(folder: Path, calibrated: tuple[EngineModel, Integers]) -> Path:
    """Pictures, the float model's file, and integers of it."""
    (folder / "small.integers").write_bytes(encode_integers(*calibrated))
    return folder


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What one test compiled, the others find."""
    return tmp_path_factory.mktemp("cache")


def with_every_value(program: onnx.ModelProto, names: list[str]) -> onnx.ModelProto:
    there = {output.name for output in program.graph.output}
    missing = [name for name in names if name not in there]
    program.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in missing)
    return program


def test_what_is_served_has_the_codes_of_what_is_inspected(
    place: Path, calibrated: tuple[EngineModel, Integers], cache: Path
) -> None:
    folder = compile_model(declare(place, "precision: int8\nintegers: small.integers\n"), cache, "onnxruntime")
    model, integers = calibrated
    engine = engine_of(model, Mode.INT8, integers)
    served = with_every_value(onnx.load(folder / "model.onnx"), [layer.name for layer in model.graph.layers])
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    errors = compare_codes(EnginePart(engine), x, run_in_onnxruntime(served, x.numpy()))
    assert errors.codes > 10_000
    assert errors.only_ties


@pytest.mark.parametrize("runtime", ["onnxruntime", "openvino", "auto"])
def test_compiled_integers_answer_as_the_engine(
    runtime: str, place: Path, calibrated: tuple[EngineModel, Integers], cache: Path
) -> None:
    folder = compile_model(declare(place, "precision: int8\nintegers: small.integers\n"), cache, runtime)
    manifest = Manifest.read(folder)
    assert manifest.precision == "int8"
    assert manifest.runtime in (("onnxruntime", "openvino") if runtime == "auto" else (runtime,))
    model, integers = calibrated
    x = torch.randn(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    (expected,) = engine_of(model, Mode.INT8, integers).run(x).values()
    (in_float,) = engine_of(model, Mode.FLOAT, integers).run(x).values()
    found = torch.from_numpy(load_forward(manifest.runtime, folder, 1)(x.numpy()))
    lost = float((expected - in_float).abs().max())
    assert float((found - expected).abs().max()) <= lost / 2


@pytest.mark.parametrize("precision", ["int8", "hybrid"])
def test_integers_are_made_of_a_folder_of_pictures_as_calibrate_makes_them(
    precision: str,
    place: Path,
    calibrated: tuple[EngineModel, Integers],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    engines: list[Engine] = []

    def watched(model_file: ModelFile, graph: Graph, report: Progress) -> Engine:
        engines.append(declared_engine(model_file, graph, report))
        return engines[-1]

    monkeypatch.setattr("services.zoo.compile.declared_engine", watched)
    declared = declare(place, f"precision: {precision}\ncalibration: pictures\n")
    assert Manifest.read(compile_model(declared, tmp_path)).precision == precision
    [engine] = engines
    made, expected = engine.calibration, calibrated[1].calibration_in(Mode(precision))
    assert expected.weights
    assert made.values == expected.values
    for name, weights in expected.weights.items():
        assert torch.equal(made.weights[name].codes, weights.codes)
        assert torch.equal(made.weights[name].bias, weights.bias)


def test_another_picture_is_another_compiled_model(place: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "pictures")
    declared = declare(tmp_path, "precision: int8\ncalibration: pictures\n")
    weights = fetch_weights(declared.weights, tmp_path)
    before = digest_of(declared, weights, "auto")
    assert digest_of(declared, weights, "auto") == before
    Image.new("RGB", (40, 40)).save(tmp_path / "pictures" / "0.png")
    assert digest_of(declared, weights, "auto") != before


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("precision: int8\n", "precision int8 needs integers: FILE"),
        ("precision: int8\nintegers: a\ncalibration: b\n", "one of them"),
        ("integers: small.integers\n", "integers is for precision int8, hybrid or auto"),
        ("precision: auto\ncalibration: pictures\n", "precision auto needs integers: FILE, with the plan"),
        ("precision: int8\nintegers: a\nruntime: torch\n", "runtime torch does not run integers"),
        ("precision: int4\nintegers: a\n", "precision"),
    ],
)
def test_what_does_not_go_together_is_refused(more: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidDeclaration, match=message):
        declare(tmp_path, more)


@pytest.mark.parametrize(
    ("more", "kind", "message"),
    [
        ("precision: int8\nintegers: missing.integers\n", ArtifactNotFound, "missing.integers"),
        ("precision: int8\nintegers: cut.integers\n", DamagedFile, "cut.integers"),
        ("precision: int8\nintegers: other.integers\n", OtherModel, "calibrate this model"),
        ("precision: auto\nintegers: small.integers\n", NoAutoPlan, "no plan for small"),
        ("precision: int8\ncalibration: nowhere\n", ArtifactNotFound, "nowhere"),
        ("precision: int8\ncalibration: empty\n", EmptyBatch, "no pictures here"),
        ("precision: int8\ncalibration: sorted/day\n", InvalidDeclaration, "all 2 pictures are of the class 'day'"),
        ("precision: int8\ncalibration: broken\n", InvalidDeclaration, "0.png: "),
    ],
)
def test_faults_of_the_integers_are_named_and_nothing_is_written(
    more: str,
    kind: type[StrataError],
    message: str,
    place: Path,
    calibrated: tuple[EngineModel, Integers],
    tmp_path: Path,
) -> None:
    (place / "empty").mkdir(exist_ok=True)
    if not (place / "sorted").exists():
        write_pictures(place / "sorted" / "day", 2)
        (place / "broken").mkdir()
        (place / "broken" / "0.png").write_bytes(b"not a picture")
        whole = (place / "small.integers").read_bytes()
        (place / "cut.integers").write_bytes(whole[: len(whole) // 2])
        model, integers = calibrated
        first = model.graph.layers[0]
        assert isinstance(first.operation, Conv2d)
        louder = model.graph.with_operation(first.name, replace(first.operation, bias=first.operation.bias + 1))
        other = EngineModel("other", louder, (), model.input_spec, "", True)
        (place / "other.integers").write_bytes(encode_integers(other, integers))
    declared = declare(place, more)
    with pytest.raises(kind, match=message):
        compile_model(declared, tmp_path)
    assert not list(tmp_path.iterdir())
