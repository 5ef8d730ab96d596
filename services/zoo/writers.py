"""Export a torch module with a dynamic batch axis, and write the form of it that each runtime loads."""

import contextlib
import gc
import io
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import onnx
import torch
from numpy.typing import NDArray
from torch import nn
from torch.export import ExportedProgram

from services.edge.disk_room import require_room
from services.zoo.exported.norms import fold_norms
from services.zoo.manifest import INPUT_NAME, OUTPUT_NAME
from services.zoo.quiet import quiet
from services.zoo.runtimes.onnxruntime import LEAST_APART_BYTES, WEIGHTS_SUFFIX
from services.zoo.runtimes.openvino import FILE_NAME, write_blob
from services.zoo.runtimes.openvino_package import openvino


def export(module: nn.Module, example: NDArray[np.float32]) -> ExportedProgram:
    """Export for any batch length; `example` is float32 [2, ...]."""
    batch = torch.export.Dim("N", min=1)
    with quiet(), _without_collections():
        return torch.export.export(module, (torch.from_numpy(example),), dynamic_shapes=({0: batch},))


def write_torch(program: ExportedProgram, path: Path) -> None:
    """Write a `.pt2` program: every operator as the module calls it, so that stages compute what the whole computes.

    Raises:
        OSError: it cannot be written.
    """
    content = io.BytesIO()  # torch's own writer of files ends the process where the disk is full
    torch.export.save(program, content)
    path.write_bytes(content.getbuffer())


def write_onnx(program: ExportedProgram, path: Path) -> None:
    """Write one ONNX file, weights inside, batch norms in the convolutions before them."""
    folded = fold_norms(program)
    with quiet(), _without_collections():
        translated = torch.onnx.export(
            folded, dynamo=True, input_names=[INPUT_NAME], output_names=[OUTPUT_NAME], verbose=False
        )
        assert translated is not None
        translated.save(path)


def put_weights_apart(path: Path) -> None:
    """Move the large weights of an ONNX file to one beside it, which ONNX Runtime maps: a quarter of the time to load.

    Raises:
        OSError: there is no room for them.
    """
    require_room(path.parent, path.stat().st_size)
    onnx.save_model(
        onnx.load(path),
        path,
        save_as_external_data=True,
        location=f"{path.name}{WEIGHTS_SUFFIX}",
        size_threshold=LEAST_APART_BYTES,
    )


def write_openvino(program: Path, folder: Path) -> None:
    """Convert an ONNX file to OpenVINO's `model.xml` and `model.bin`, in float32, and the blob for this CPU.

    Raises:
        OSError: there is no room for them.
    """
    require_room(folder, 2 * program.stat().st_size)  # as large as the ONNX file each; its writer does not say
    openvino.save_model(openvino.Core().read_model(program), folder / FILE_NAME, compress_to_fp16=False)
    write_blob(folder)


def openvino_files(program: bytes) -> tuple[bytes, bytes]:
    """OpenVINO's `.xml` and `.bin` of an ONNX program, in its own precisions."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / FILE_NAME
        openvino.save_model(openvino.Core().read_model(program), path, compress_to_fp16=False)
        return path.read_bytes(), path.with_suffix(".bin").read_bytes()


@contextlib.contextmanager
def _without_collections() -> Iterator[None]:
    """Let no collection of cyclic garbage run meanwhile: exporters make so many objects that a tenth of their time goes
    into looking at all of them again and again, for some 20 MB."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
