"""The verb `export`: a model and its integers as the bytes of files, ours or other runtimes'."""

from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

from quant.precision import Mode
from services.edge.errors import NoIntegers, Unsupported
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.model_codec import decode_model, encode_model
from services.zoo.integer_codec import decode_integers, encode_integers
from services.zoo.integers import Integers


class ExportForm(StrEnum):
    """What a model is exported as: our two files, an ONNX program, or OpenVINO's two files."""

    STRATA = "strata"
    ONNX = "onnx"
    OPENVINO = "openvino"


class Exported(NamedTuple):
    """The bytes of a `.strata` file, and of the `.integers` file that belongs to it."""

    model: bytes
    integers: bytes | None


def export_model(model: EngineModel, integers: Integers | None) -> Exported:
    """Encode both, and decode them again: what is handed out loads back.

    Raises:
        NoIntegers: the model is not calibrated.
    """
    if integers is None:
        raise NoIntegers(f"{model.name} has no integers to export: calibrate it first")
    return encode_pair(model, integers)


def encode_pair(model: EngineModel, integers: Integers | None) -> Exported:
    """As `export_model`, also without integers."""
    exported = Exported(encode_model(model), encode_integers(model, integers) if integers else None)
    again = decode_model(exported.model)
    if exported.integers is not None:
        decode_integers(exported.integers, again)
    return exported


def export_program(model: EngineModel, integers: Integers | None, mode: Mode, form: ExportForm) -> Mapping[str, bytes]:
    """Encode the engine of a mode as a program of other runtimes; by suffix, the content of each file.

    Integers stand in it as QuantizeLinear and DequantizeLinear with the model's scales.

    Raises:
        NoIntegers: an integer mode without scales.  NoAutoPlan: AUTO without a measured plan.
        Unsupported: the runtime does not take the program; says why.
    """
    # Imported here: ONNX, and the runtimes that read it back, are for this verb alone.
    import onnxruntime

    from services.workbench.program_metadata import describe
    from services.zoo.onnx_form.program import onnx_program
    from services.zoo.writers import openvino_files

    if integers is None and mode is not Mode.FLOAT:
        raise NoIntegers(f"{model.name} has no integers to export: calibrate it first")
    program = onnx_program(engine_of(model, mode, integers or Integers()), f"strata {mode}")
    describe(program, model)
    content: bytes = program.SerializeToString()
    try:
        if form is ExportForm.ONNX:
            onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
            return {".onnx": content}
        xml, weights = openvino_files(content)
    except Exception as error:
        # Runtimes raise their own kinds; what they say first is what is wrong.
        raise Unsupported(f"{form} does not take {model.name}: {str(error).partition(chr(10))[0]}") from error
    return {".xml": xml, ".bin": weights}
