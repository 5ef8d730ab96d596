"""`strata quant export` as programs of other runtimes."""

from pathlib import Path

import onnxruntime
import pytest
import torch

from quant.precision import Mode
from services.edge.errors import InvalidInput, NoIntegers
from services.workbench.engines import engine_of
from services.workbench.files import read_integers, read_model
from services.zoo.runtimes.openvino_package import openvino
from tests.unit.workbench.commands import quant


@pytest.mark.parametrize("mode", ["int8", "hybrid", "float"])
def test_an_exported_program_answers_in_onnx_runtime_as_the_engine(mode: str, place: Path) -> None:
    result = quant(place, "export", "small.strata", "-o", "exported", "--format", "onnx", "--mode", mode)
    assert result.exit_code == 0, result.output
    name = "small.onnx" if mode == "int8" else f"small.{mode}.onnx"
    session = onnxruntime.InferenceSession(place / "exported" / name, providers=["CPUExecutionProvider"])
    model = read_model(place / "small.strata")
    engine = engine_of(model, Mode(mode), read_integers(place / "small.integers", model))
    x = torch.rand(1, *model.graph.input_shape, generator=torch.Generator().manual_seed(0))
    for value, expected in zip(session.run(None, {"input": x.numpy()}), engine.run(x).values(), strict=True):
        torch.testing.assert_close(torch.from_numpy(value), expected, rtol=0.02, atol=0.02)


def test_openvinos_two_files_load_and_what_does_not_go_together_is_refused(place: Path) -> None:
    result = quant(place, "export", "small.strata", "-o", "exported", "--format", "openvino", "--float")
    assert result.exit_code == 0, result.output
    assert openvino.Core().read_model(place / "exported" / "small.float.xml").inputs[0].any_name == "input"
    refused = quant(place, "export", "small.strata", "--mode", "float")
    assert (type(refused.exception), refused.exit_code) == (InvalidInput, 1)
    assert isinstance(quant(place, "export", "fresh.strata", "--format", "onnx").exception, NoIntegers)
    assert quant(place, "export", "small.strata", "--format", "tflite").exit_code == 2
