"""The verb `export`: a model and its integers as the bytes of two files."""

from typing import NamedTuple

from services.edge.errors import NoIntegers
from services.workbench.engine_model import EngineModel
from services.workbench.integer_codec import decode_integers, encode_integers
from services.workbench.integers import Integers
from services.workbench.model_codec import decode_model, encode_model


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
