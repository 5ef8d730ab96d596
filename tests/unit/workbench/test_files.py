"""Engine models and integer files: back to identical outputs, and everything else refused by name."""

import contextlib
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from quant.engine import Engine
from quant.precision import Mode, Precision, uniform_plan
from quant.scales import Calibration
from services.edge.errors import (
    ArtifactNotFound,
    DamagedFile,
    ForeignFile,
    InvalidInput,
    InvalidWeights,
    OtherModel,
    OtherVersion,
)
from services.workbench import tensor_file
from services.workbench.engine_file import read_model, write_model
from services.workbench.graph_codec import decode_graph, encode_graph
from services.workbench.integer_file import read_integers, write_integers
from services.workbench.model import Model


@pytest.fixture
def written(tmp_path: Path, model: Model, calibration: Calibration) -> tuple[Path, Path]:
    write_model(tmp_path / "m.strata", model)
    write_integers(tmp_path / "m.integers", model, calibration, {"stem": Precision.FLOAT})
    return tmp_path / "m.strata", tmp_path / "m.integers"


def test_both_files_load_back_to_identical_outputs(
    written: tuple[Path, Path], model: Model, calibration: Calibration, x: Tensor
) -> None:
    again = read_model(written[0])
    integers, plan = read_integers(written[1], again)
    assert plan == {"stem": Precision.FLOAT}
    for mode in (Mode.FLOAT, Mode.HYBRID, Mode.INT8):
        before = Engine(model.graph, uniform_plan(model.graph, mode), calibration).run(x)["head"]
        after = Engine(again.graph, uniform_plan(again.graph, mode), integers).run(x)["head"]
        assert torch.equal(before, after), mode
    assert (again.name, again.labels, again.trained, again.digest) == ("small", model.labels, True, model.digest)


def test_integer_file_holds_int8_weights_and_int32_biases(written: tuple[Path, Path]) -> None:
    tensors = tensor_file.read_tensor_file(written[1], "strata-integers").tensors
    types = {name.rsplit(":", 1)[1]: tensor.dtype for name, tensor in tensors.items()}
    assert types == {"codes": torch.int8, "scale": torch.float32, "bias": torch.int32}


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.9, 0.9999])
@pytest.mark.parametrize("which", [0, 1])
def test_truncated_files_are_refused(written: tuple[Path, Path], model: Model, which: int, share: float) -> None:
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


def test_foreign_files_are_refused(written: tuple[Path, Path], model: Model, tmp_path: Path) -> None:
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


def test_other_version_is_refused(written: tuple[Path, Path], model: Model, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tensor_file, "VERSION", "2")
    with pytest.raises(OtherVersion, match="version '1', this build reads '2'"):
        read_model(written[0])


def test_integers_of_another_model_are_refused(written: tuple[Path, Path], other_model: Model) -> None:
    with pytest.raises(OtherModel, match="small"):
        read_integers(written[1], other_model)


def test_failed_write_leaves_the_old_file_and_nothing_else(
    written: tuple[Path, Path], model: Model, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = written[0].read_bytes()
    monkeypatch.setattr("os.fsync", lambda _: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(InvalidInput, match="No space left"):
        write_model(written[0], model)
    assert written[0].read_bytes() == before
    assert sorted(path.name for path in written[0].parent.iterdir()) == ["m.integers", "m.strata"]


def test_every_operation_survives_the_codec(model: Model) -> None:
    content, tensors = encode_graph(model.graph)
    again = decode_graph(content, tensors)
    for before, after in zip(model.graph.layers, again.layers, strict=True):
        assert (before.name, before.inputs, type(before.operation)) == (after.name, after.inputs, type(after.operation))
        assert {k: v for k, v in vars(before.operation).items() if not isinstance(v, Tensor)} == {
            k: v for k, v in vars(after.operation).items() if not isinstance(v, Tensor)
        }


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_no_changed_header_ends_in_an_untyped_error(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzzed.strata"
    tensor_file.write_tensor_file(path, "strata-model", {"graph": {}, "name": "n"}, {"w": torch.zeros(4)})
    content = bytearray(path.read_bytes())
    for _ in range(data.draw(st.integers(1, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(bytes(content))
    with contextlib.suppress(InvalidWeights):
        read_model(path)
