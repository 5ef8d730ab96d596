"""What a start of the service leaves out, and that it can be had afterwards."""

import subprocess
import sys

PROGRAM = """
import sys
before = set(sys.modules)
from services.model.lean_asyncio import import_asyncio_without_tls
import_asyncio_without_tls()
import grpc_reflection.v1alpha.reflection, services.model.grpc_api, services.model.process
import services.zoo.runtimes.onnxruntime
unwanted = {"ssl", "hashlib", "tempfile", "uuid", "torch", "pydantic", "PIL", "structlog"}
print(*sorted(unwanted & (set(sys.modules) - before)))
import ssl
print(ssl.create_default_context().protocol.name)
"""
OPENVINO = """
import sys
import services.zoo.runtimes.openvino
print(*sorted(name for name in sys.modules if name.startswith("openvino.opset")), "openvino" in sys.modules)
from services.zoo.runtimes.openvino_package import openvino
print(openvino.opset13.parameter([1], openvino.Type.f32).get_type_name())
"""


def lines_of(program: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.splitlines()


def test_a_start_imports_nothing_that_only_some_requests_need() -> None:
    assert lines_of(PROGRAM) == ["", "PROTOCOL_TLS_CLIENT"]


def test_a_start_with_openvino_imports_no_opset() -> None:
    assert lines_of(OPENVINO) == ["False", "Parameter"]
