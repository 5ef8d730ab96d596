"""OpenVINO's whole package, for what compiles; without its converter."""

import importlib
import sys
from typing import Any


def _import_openvino() -> Any:
    """Import OpenVINO without its converter: two thirds of the time, and it reports each import to its makers."""
    converter = "openvino.tools.ovc"
    if "openvino" in sys.modules or converter in sys.modules:
        return importlib.import_module("openvino")
    sys.modules[converter] = None  # type: ignore[assignment]
    try:
        return importlib.import_module("openvino")
    finally:
        del sys.modules[converter]


openvino = _import_openvino()
