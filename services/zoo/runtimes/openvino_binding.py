"""OpenVINO's compiled part alone, which is all that a start needs of it."""

import importlib
import importlib.util
import sys
from types import ModuleType
from typing import Any


def _import_binding() -> Any:
    """Import it without the package around it, whose opsets for building models take two thirds of the time.

    The package can be imported afterwards.
    """
    name = "openvino._pyopenvino"
    if "openvino" in sys.modules:
        return importlib.import_module(name)
    found = importlib.util.find_spec("openvino")
    if found is None:
        raise ModuleNotFoundError("No module named 'openvino'", name="openvino")
    package = ModuleType("openvino")
    package.__path__ = found.submodule_search_locations or []
    sys.modules["openvino"] = package
    try:
        return importlib.import_module(name)
    finally:
        del sys.modules["openvino"]


binding = _import_binding()
