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


def test_a_start_imports_nothing_that_only_some_requests_need() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.splitlines() == ["", "PROTOCOL_TLS_CLIENT"]
