"""Engine models and integer files: back to identical outputs, and everything else refused by name."""

import contextlib
import json
import os
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from quant import operations
from quant.activation import Activation
from quant.engine import Engine
from quant.graph import INPUT, Graph, Layer
from quant.precision import Mode, Precision, uniform_plan
from quant.scales import Calibration, IntegerWeights
from services.edge.errors import (
    ArtifactNotFound,
    DamagedFile,
    ForeignFile,
    InvalidInput,
    InvalidWeights,
    OtherModel,
    OtherVersion,
)
from services.workbench import files
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.files import read_integers, read_model, write_integers, write_model
from services.zoo import tensor_codec
from services.zoo.graph_codec import decode_graph, encode_graph
from services.zoo.integer_codec import encode_integers
from services.zoo.integers import Integers, Machine


@pytest.fixture
def written(tmp_path: Path, model: EngineModel, calibration: Calibration) -> tuple[Path, Path]:
    write_model(tmp_path / "m.strata", model)
    write_integers(tmp_path / "m.integers", model, Integers(calibration, {"stem": Precision.FLOAT}))
    return tmp_path / "m.strata", tmp_path / "m.integers"


def test_both_files_load_back_to_identical_outputs(
    written: tuple[Path, Path], model: EngineModel, calibration: Calibration, x: Tensor
) -> None:
    again = read_model(written[0])
    integers, plan, *_ = read_integers(written[1], again)
    assert plan == {"stem": Precision.FLOAT}
    for mode in (Mode.FLOAT, Mode.HYBRID, Mode.INT8):
        before = Engine(model.graph, uniform_plan(model.graph, mode), calibration).run(x)["head"]
        after = Engine(again.graph, uniform_plan(again.graph, mode), integers).run(x)["head"]
        assert torch.equal(before, after), mode
    assert (again.name, again.labels, again.trained, again.digest) == ("small", model.labels, True, model.digest)


def test_integer_file_holds_int8_weights_and_int32_biases(written: tuple[Path, Path]) -> None:
    tensors = tensor_codec.decode_tensor_file(written[1].read_bytes(), "strata-integers", "it").tensors
    types = {name.rsplit(":", 1)[1]: tensor.dtype for name, tensor in tensors.items()}
    assert types == {"codes": torch.int8, "scale": torch.float32, "bias": torch.int32}


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("which", [0, 1])
def test_truncated_files_are_refused(written: tuple[Path, Path], model: EngineModel, which: int, share: float) -> None:
    path = written[which]
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises((DamagedFile, ForeignFile)):
        read_model(path) if which == 0 else read_integers(path, model)


def test_truncation_says_expected_and_found_bytes(written: tuple[Path, Path]) -> None:
    data = written[0].read_bytes()
    written[0].write_bytes(data[:-5])
    with pytest.raises(DamagedFile, match=f"{len(data) - 5} bytes, the header announces {len(data)}"):
        read_model(written[0])


def test_one_changed_byte_is_found(written: tuple[Path, Path]) -> None:
    data = bytearray(written[0].read_bytes())
    data[-100] ^= 1
    written[0].write_bytes(bytes(data))
    with pytest.raises(DamagedFile, match="checksum"):
        read_model(written[0])


def test_foreign_files_are_refused(written: tuple[Path, Path], model: EngineModel, tmp_path: Path) -> None:
    picture, tensors = tmp_path / "a.strata", tmp_path / "b.strata"
    picture.write_bytes(b"\x89PNG\r\n\x1a\n" + b"0" * 500)
    save_file({"w": torch.zeros(3)}, tensors)
    for path in (picture, tensors):
        with pytest.raises(ForeignFile):
            read_model(path)
    with pytest.raises(ForeignFile, match="strata-integers file, where strata-model"):
        read_model(written[1])
    with pytest.raises(ArtifactNotFound):
        read_model(tmp_path / "none.strata")


def test_other_version_is_refused(
    written: tuple[Path, Path], model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tensor_codec, "VERSION", "2")
    with pytest.raises(OtherVersion, match="version '1', this build reads '2'"):
        read_model(written[0])


def test_integers_of_another_model_are_refused(written: tuple[Path, Path], other_model: EngineModel) -> None:
    with pytest.raises(OtherModel, match="small"):
        read_integers(written[1], other_model)


def test_failed_write_leaves_the_old_file_and_nothing_else(
    written: tuple[Path, Path], model: EngineModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written[0].read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InvalidInput, match="No space left"):
        write_model(written[0], model)
    assert written[0].read_bytes() == before
    assert sorted(path.name for path in written[0].parent.iterdir()) == ["m.integers", "m.strata"]


OPERATIONS: tuple[operations.Operation, ...] = (
    operations.Conv2d(torch.randn(4, 2, 3, 1), torch.randn(4), (2, 1), (1, 0), (1, 2), 2, Activation.SILU),
    operations.Linear(torch.randn(5, 6), torch.randn(5), Activation.RELU),
    operations.BatchNorm(torch.rand(7), torch.randn(7), Activation.LEAKY),
    operations.MaxPool((2, 3), (1, 2), (0, 1, 0, 1)),
    operations.AvgPool((2, 3), (1, 2), (1, 0, 1, 0), True),
    operations.GlobalAvgPool(),
    operations.Add(Activation.RELU6),
    operations.Mul(),
    operations.Concat(),
    operations.Slice(1, 3),
    operations.Upsample(2),
    operations.Reorg(2),
    operations.Pad((1, -1, 2, 0)),
    operations.Activate(Activation.GELU),
    operations.Flatten(),
    operations.Softmax(),
    operations.Yolo(2, ((10.0, 14.0), (23.0, 27.5)), 1.05),
    operations.Region(3, ((1.5, 2.0),)),
)


def test_the_codec_is_tested_with_every_operation_there_is() -> None:
    assert {type(operation) for operation in OPERATIONS} == set(get_args(operations.Operation))


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: type(operation).__name__)
def test_every_operation_survives_the_codec(operation: operations.Operation) -> None:
    inputs = (INPUT, INPUT) if isinstance(operation, operations.Add | operations.Mul) else (INPUT,)
    content, tensors = encode_graph(Graph((6, 8, 8), (Layer("it", operation, inputs),), ("it",)))
    again = decode_graph(json.loads(json.dumps(content)), tensors)
    (layer,) = again.layers
    assert (again.input_shape, again.outputs, layer.name, layer.inputs) == ((6, 8, 8), ("it",), "it", inputs)
    assert type(layer.operation) is type(operation)
    for part in fields(operation):
        before, after = (getattr(each, part.name) for each in (operation, layer.operation))
        assert type(before) is type(after)
        assert torch.equal(before, after) if isinstance(before, Tensor) else before == after, part.name


def test_a_failed_second_write_leaves_the_old_pair_and_nothing_else(
    written: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    before = [path.read_bytes() for path in written]
    sync, calls = os.fsync, list[int]()

    def second_fails(file: int) -> None:
        calls.append(file)
        if len(calls) == 2:
            raise OSError(28, "No space left on device")
        sync(file)

    monkeypatch.setattr("os.fsync", second_fails)
    with pytest.raises(InvalidInput, match=r"m\.integers: cannot be written: No space left"):
        files.write_files(dict.fromkeys(written, b"new"))
    assert [path.read_bytes() for path in written] == before
    assert sorted(path.name for path in written[0].parent.iterdir()) == ["m.integers", "m.strata"]


def test_a_place_that_cannot_be_written_is_found_before_anything_is(written: tuple[Path, Path]) -> None:
    before, folder = written[0].read_bytes(), written[0].parent
    for bad, words in ((folder, "it is a folder"), (folder / "none" / "m.integers", "there is no folder")):
        with pytest.raises(InvalidInput, match=words):
            files.write_files({written[0]: b"new", bad: b"new"})
    assert written[0].read_bytes() == before


def test_a_module_used_twice_is_written_and_read(tmp_path: Path) -> None:
    conv = operations.Conv2d(torch.randn(3, 3, 1, 1), torch.randn(3))
    layers = (Layer("first", conv, (INPUT,)), Layer("second", conv, ("first",)))
    tied = EngineModel("tied", Graph((3, 8, 8), layers, ("second",)), (), None, "drawn here", True)
    write_model(tmp_path / "tied.strata", tied)
    again = read_model(tmp_path / "tied.strata")
    assert again.digest == tied.digest


def test_integers_say_where_they_were_made_and_old_files_that_do_not_are_read(
    tmp_path: Path, model: EngineModel, calibration: Calibration
) -> None:
    made = Integers(
        calibration, {"stem": Precision.INT8}, Machine("AVX512-VNNI", 3), {"body": Precision.HYBRID}, "AVX512-VNNI"
    )
    path = tmp_path / "m.integers"
    path.write_bytes(encode_integers(model, made))
    assert read_integers(path, model)[1:] == made[1:]
    file = tensor_codec.decode_tensor_file(path.read_bytes(), "strata-integers", "it")
    old = {key: file.content[key] for key in ("model", "model_digest", "values", "x_scales", "auto_plan")}
    path.write_bytes(tensor_codec.encode_tensor_file("strata-integers", old, file.tensors))
    assert read_integers(path, model)[1:] == ({"stem": Precision.INT8}, None, {}, "", {})


def test_what_was_refined_for_autos_plan_is_autos_alone(
    tmp_path: Path, model: EngineModel, calibration: Calibration
) -> None:
    shared = calibration.weights["body"]
    own = replace(shared, codes=-shared.codes, bias=shared.bias + 3)
    plan = uniform_plan(model.graph, Mode.INT8)
    write_integers(tmp_path / "m.integers", model, Integers(calibration, plan, auto_weights={"body": own}))
    again = read_integers(tmp_path / "m.integers", model)
    in_auto, in_int8 = (engine_of(model, mode, again).calibration.weights for mode in (Mode.AUTO, Mode.INT8))
    for found, made in ((in_auto["body"], own), (in_int8["body"], shared), (in_auto["stem"], in_int8["stem"])):
        assert torch.equal(found.codes, made.codes)
        assert torch.equal(found.bias, made.bias)


def test_weights_of_auto_that_do_not_fit_are_refused(
    tmp_path: Path, model: EngineModel, calibration: Calibration
) -> None:
    body = calibration.weights["body"]
    short = Integers(calibration, auto_weights={"body": replace(body, bias=body.bias[:-1])})
    write_integers(tmp_path / "m.integers", model, short)
    with pytest.raises(DamagedFile, match="'body' has other shapes"):
        read_integers(tmp_path / "m.integers", model)


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (lambda body: replace(body, x_scale=0.0), "a scale that is not positive"),
        (lambda body: replace(body, x_scale=-1.0), "a scale that is not positive"),
        (lambda body: replace(body, codes=torch.full_like(body.codes, -128)), "a code beyond -127 to 127"),
    ],
    ids=["zero", "negative", "code"],
)
def test_integers_that_mean_nothing_are_refused(
    tmp_path: Path,
    model: EngineModel,
    calibration: Calibration,
    spoil: Callable[[IntegerWeights], IntegerWeights],
    said: str,
) -> None:
    weights = {**calibration.weights, "body": spoil(calibration.weights["body"])}
    write_integers(tmp_path / "m.integers", model, Integers(replace(calibration, weights=weights)))
    with pytest.raises(DamagedFile, match=f"'body' has {said}"):
        read_integers(tmp_path / "m.integers", model)


def test_a_plan_for_a_layer_that_is_not_there_is_refused(
    tmp_path: Path, model: EngineModel, calibration: Calibration
) -> None:
    write_integers(tmp_path / "m.integers", model, Integers(calibration, {"nowhere": Precision.FLOAT}))
    with pytest.raises(DamagedFile, match="nowhere"):
        read_integers(tmp_path / "m.integers", model)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_changed_header_ends_in_an_untyped_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.strata"
    content = bytearray(
        tensor_codec.encode_tensor_file("strata-model", {"graph": {}, "name": "n"}, {"w": torch.zeros(4)})
    )
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with contextlib.suppress(InvalidWeights):
        read_model(path)
