"""A workbench as a process on loopback, as its tests call it."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import grpc

from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.contracts.strata.workbench.v1 import workbench_pb2_grpc as pb_grpc
from services.workbench.calibrating import calibrate_model
from services.workbench.model_codec import decode_model, encode_model
from services.workbench.opening import import_darknet
from services.workbench.pictures import EncodedPicture, EncodedPictures
from services.zoo.integer_codec import encode_integers

DETECTOR = Path(__file__).resolve().parents[2] / "examples" / "detector"
PICTURE = (DETECTOR / "pictures" / "shapes-11.jpg").read_bytes()
CALL_S = 60.0


@dataclass
class Bench:
    """A running process over the folder `store`: `stub` takes messages, `owner` is who the tests are."""

    process: "subprocess.Popen[str]"
    store: Path
    port: int
    channel: grpc.Channel
    stub: "pb_grpc.WorkbenchServiceStub"
    owner: str = "tests-of-the-contract"

    def call(self, rpc: str, request: Any, owner: str | None = None) -> Any:
        """One reply, or all of a stream's."""
        metadata = (("strata-owner", owner or self.owner),)
        reply = getattr(self.stub, rpc)(request, metadata=metadata, timeout=CALL_S)
        return list(reply) if isinstance(reply, Iterator) else reply

    def upload(self, content: bytes, owner: str | None = None) -> str:
        pieces = (pb.UploadFileRequest(piece=content[at : at + 100_000]) for at in range(0, len(content), 100_000))
        file: str = self.call("UploadFile", pieces, owner).file
        return file

    def open(self, mode: "pb.Mode.ValueType" = pb.MODE_INT8, owner: str | None = None, **request: Any) -> str:
        """A session on the example detector, calibrated; its id."""
        if not {"named", "model_file"} & request.keys():
            request = {"model_file": self.upload(detector(), owner), **request}
            request = {"integer_file": self.upload(integers(), owner), **request}
        request = {"picture": PICTURE, "mode": mode, **request}
        session: str = self.call("OpenSession", pb.OpenSessionRequest(**request), owner).session.id
        return session


@cache
def detector() -> bytes:
    """The example detector, trained, as a `.strata` file."""
    return encode_model(import_darknet(DETECTOR / "shapes.cfg", DETECTOR / "shapes.weights"))


@cache
def integers() -> bytes:
    """Its integers."""
    model = decode_model(detector())
    found = calibrate_model(model, EncodedPictures([EncodedPicture("it", PICTURE)]), "minmax")
    return encode_integers(model, found.integers)


@contextmanager
def running(store: str, **settings: str) -> Iterator[Bench]:
    """Start a workbench over a store; it is killed at the end if it still runs."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith(("WORKBENCH_", "STRATA_"))}
    process = subprocess.Popen(
        [sys.executable, "-m", "services.workbench"],
        stdout=subprocess.PIPE,
        env={**clean, "WORKBENCH_STORE": store, **settings},
        text=True,
    )
    try:
        assert process.stdout is not None
        port = json.loads(process.stdout.readline())["grpc_port"]
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield Bench(process, Path(store), port, channel, pb_grpc.WorkbenchServiceStub(channel))
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
        if process.stdout is not None:
            process.stdout.close()
