"""Stages of a model in integers: the chain has the codes of the engine that is inspected."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper

from quant.engine import Engine
from quant.precision import Mode
from services.artifacts.precision import Encoding, decode, encode
from services.edge.errors import InvalidInput
from services.workbench.calibrating import calibrate_model
from services.workbench.engines import engine_of
from services.workbench.opening import open_model
from services.workbench.pictures import EncodedPicture, EncodedPictures
from services.zoo.agreement import Images
from services.zoo.catalog import Catalog
from services.zoo.costs import balance
from services.zoo.engine_cuts import engine_costs, engine_cuts
from services.zoo.integer_codec import encode_integers
from services.zoo.model_file import ModelFile
from services.zoo.onnx_form.agreement import compare_codes
from services.zoo.onnx_form.part import EnginePart
from services.zoo.onnx_form.runs import RUNS
from services.zoo.serving import load_forward
from services.zoo.stage_compile import Cutting, compile_stages
from services.zoo.stage_manifest import StageManifest
from tests.unit.zoo.test_quantised import declare, write_pictures

pytestmark = pytest.mark.usefixtures("exported_once")

CUTTING = Cutting(layers=("features.2", "features.7"), names=("stem", "body", "head"))


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("models")


@pytest.fixture(scope="module")
def engine(place: Path, exported_once: None) -> Engine:
    """What `strata quant` shows of the model, with its integers beside its file."""
    write_pictures(place / "pictures")
    declare(place, "")
    model = open_model("small", Catalog([place]))
    encoded = [EncodedPicture(path.name, path.read_bytes()) for path in sorted((place / "pictures").iterdir())]
    integers = calibrate_model(model, EncodedPictures(encoded)).integers
    (place / "small.integers").write_bytes(encode_integers(model, integers))
    return engine_of(model, Mode.INT8, integers)


@pytest.fixture(scope="module")
def declared(place: Path, engine: Engine) -> ModelFile:
    return declare(place, "precision: int8\nintegers: small.integers\n")


@pytest.fixture(scope="module", params=["onnxruntime", "openvino"])
def stages(request: pytest.FixtureRequest, declared: ModelFile, tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return compile_stages(declared, CUTTING, tmp_path_factory.mktemp("cache"), request.param)


def pictures(count: int) -> Images:
    return np.random.default_rng(0).standard_normal((count, 3, 32, 32), np.float32)


def test_each_stage_has_the_codes_of_its_part_of_the_engine(stages: list[Path], engine: Engine) -> None:
    manifests = [StageManifest.read(folder) for folder in stages]
    assert [each.name for each in manifests] == ["stem", "body", "head"]
    assert {each.precision for each in manifests} == {"int8"}
    values = pictures(2)
    for manifest, folder in zip(manifests, stages, strict=True):
        graph = engine.graph
        part = EnginePart(engine, graph.index(manifest.first), graph.index(manifest.last) + 1)
        assert (manifest.input_shape, manifest.output_shape) == (part.input_shape, part.output_shape)
        if (folder / "model.onnx").exists():
            served = onnx.load(folder / "model.onnx")
            there = {output.name for output in served.graph.output}
            watched = [each.name for each in part.layers if each.name not in there]
            served.graph.output.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in watched)
            errors = compare_codes(part, torch.from_numpy(values), RUNS["onnxruntime"](served, values))
            assert errors.codes > 100
            assert errors.only_ties
        values = load_forward(manifest.runtime, folder, 1)(values)


@pytest.mark.parametrize("encoding", [Encoding.FLOAT32, Encoding.FLOAT16])
def test_what_crosses_a_cut_are_the_engines_codes(encoding: Encoding, stages: list[Path], engine: Engine) -> None:
    """In half the bytes too: a code is far from the next, and is found again."""
    values = pictures(2)
    inside = {prepared.name: prepared for prepared in engine.layers}
    for folder in stages[:-1]:
        manifest = StageManifest.read(folder)
        values = load_forward(manifest.runtime, folder, 1)(values)
        qparams = inside[manifest.last].output
        assert qparams is not None
        codes = values / np.float32(qparams.scale) + qparams.zero_point
        assert np.abs(codes - codes.round()).max() < 1e-3
        crossed = decode(encode(values, encoding), manifest.output_shape, encoding)
        assert np.array_equal((crossed / np.float32(qparams.scale) + qparams.zero_point).round(), codes.round())


def test_the_chain_answers_as_the_engine(stages: list[Path], engine: Engine) -> None:
    values = pictures(4)
    (expected,) = engine.run(torch.from_numpy(values)).values()
    (in_float,) = Engine(engine.graph, {}).run(torch.from_numpy(values)).values()
    for folder in stages:
        values = load_forward(StageManifest.read(folder).runtime, folder, 1)(values)
    lost = float((expected - in_float).abs().max())
    assert float((torch.from_numpy(values) - expected).abs().max()) <= lost / 2


def test_cuts_declared_for_float_are_the_same_places_in_integers(engine: Engine) -> None:
    places = engine_cuts(engine)
    by_module, by_operator = places.cut_at("features.2"), places.cut_at("features.2.relu6_2")
    assert by_module == by_operator
    assert by_module.layer.startswith("features.2.conv")
    with pytest.raises(InvalidInput, match="to cut at"):
        places.cut_at("features.99")
    inside = next(layer.name for layer in places.layers if layer.name.startswith("features.3.conv"))
    with pytest.raises(InvalidInput, match=r"values cross there|nearest legal cuts"):
        places.cut_at(inside)


def test_cuts_that_cost_alike_are_found_without_names(engine: Engine) -> None:
    places, costs = engine_cuts(engine), engine_costs(engine)
    assert all(cost.time_ms > 0 for cost in costs)
    cuts = balance(places, costs, 3)
    bounds = [0, *(cut.position + 1 for cut in cuts), len(costs)]
    weights = [sum(cost.weight for cost in costs[start:end]) for start, end in pairwise(bounds)]
    assert len(weights) == 3
    assert max(weights) < sum(weights) * 0.7
