"""What a user of `strata quant` can type next when a use case refuses: they know no commands."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import ParamSpec, TypeVar

from services.edge.errors import ForeignFile, NoAutoPlan, NoIntegers

Given = ParamSpec("Given")
Result = TypeVar("Result")

MEASURE_AUTO = "`strata quant calibrate MODEL PICTURES --auto` measures one"
_CALIBRATE = "`strata quant calibrate MODEL PICTURES` makes them"
_IMPORT = "make one of it: strata quant import FILE.cfg FILE.weights"
_DECLARE = "name it in a model file, in a folder of STRATA_MODELS, and give that file's `name`: docs/models.md"
_BY_SUFFIX = {
    ".cfg": _IMPORT,
    ".weights": _IMPORT,
    ".pt2": _DECLARE,
    ".pt": _DECLARE,
    ".pth": _DECLARE,
    ".safetensors": _DECLARE,
    ".onnx": "make one of it: strata quant import FILE.onnx",
}


def with_hints(command: Callable[Given, Result]) -> Callable[Given, Result]:
    """Let the errors of a command on a model, named by `model_name` or `source`, end with what to type next."""

    @wraps(command)
    def hinted(*args: Given.args, **kwargs: Given.kwargs) -> Result:
        try:
            return command(*args, **kwargs)
        except NoAutoPlan as error:
            raise NoAutoPlan(f"{error}; {MEASURE_AUTO}") from error
        except NoIntegers as error:
            raise NoIntegers(f"{error}; {_CALIBRATE}") from error
        except ForeignFile as error:
            reference = kwargs.get("model_name") or kwargs.get("source") or kwargs.get("first")
            hint = _BY_SUFFIX.get(Path(str(reference)).suffix)
            if hint is None:
                raise
            raise ForeignFile(f"{error}; {hint}") from error

    return hinted
