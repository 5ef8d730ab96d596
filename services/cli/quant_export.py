"""The words of `strata quant export`: which files they name."""

from collections.abc import Mapping

from quant.precision import Mode
from services.edge.errors import InvalidInput
from services.workbench.engine_model import EngineModel
from services.workbench.exporting import ExportForm, export_model, export_program
from services.workbench.files import INTEGER_SUFFIX, MODEL_SUFFIX
from services.zoo.integers import Integers


def files_of(
    name: str, model: EngineModel, integers: Integers | None, form: ExportForm, mode: Mode
) -> Mapping[str, bytes]:
    """By file name, the content of each. A program in another mode than int8 says so in its name.

    Raises:
        InvalidInput: a mode for our own files, which have all of them.
        what `export_model` and `export_program` raise.
    """
    if form is not ExportForm.STRATA:
        between = "" if mode is Mode.INT8 else f".{mode}"
        return {
            f"{name}{between}{suffix}": data for suffix, data in export_program(model, integers, mode, form).items()
        }
    if mode is not Mode.INT8:
        raise InvalidInput(f"--mode {mode} is for --format onnx and openvino; Strata's own files run in every mode")
    exported = export_model(model, integers)
    return {f"{name}{MODEL_SUFFIX}": exported.model, f"{name}{INTEGER_SUFFIX}": exported.integers or b""}
