"""What a model is asked, what it answers, and which requests it refuses."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import (
    BatchTooLarge,
    DtypeMismatch,
    EmptyBatch,
    ModelNotFound,
    NonFiniteInput,
    ShapeMismatch,
    UnknownTensor,
)
from services.model.tensors import BYTES, Tensor
from services.zoo.manifest import Manifest

BOXES, SCORES, LABELS = "boxes", "scores", "labels"
"""A detector's outputs, for N pictures with D boxes at most: [N, D, 4], [N, D], [N, D]."""

Images: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True)
class InferRequest:
    """One call: `version` "" is any; `outputs` () is all of them."""

    model: str
    version: str
    id: str
    inputs: tuple[Tensor, ...]
    outputs: tuple[str, ...] = ()


@dataclass(frozen=True)
class RequestCost:
    """What one request took of this process.

    `compute_ms` spans decoding and the forward pass and not the wait before it; `cpu_seconds` is of these, and of the
    request's part of the work around them. `cold` marks the process's first request, and `cold_cpu_seconds` is what
    the start took. `allocated_...` is the request's share of all that the process spent and held, its idle time
    included, and `unclaimed_...` what no request pays for, said once: see `ledger`. `pass_number` is that of the pass
    it ran in, `pass_pictures` how many ran in that, and `pass_largest` how many may run together.
    """

    compute_ms: float
    cpu_seconds: float
    resident_bytes: int
    cold: bool
    cold_cpu_seconds: float = 0.0
    allocated_cpu_seconds: float = 0.0
    allocated_gb_seconds: float = 0.0
    unclaimed_cpu_seconds: float = 0.0
    unclaimed_gb_seconds: float = 0.0
    pass_number: int = 0
    pass_pictures: int = 0
    pass_largest: int = 1


@dataclass(frozen=True)
class InferAnswer:
    """The outputs asked for, and their cost."""

    model: str
    version: str
    id: str
    outputs: tuple[Tensor, ...]
    cost: RequestCost


@dataclass(frozen=True)
class TensorMetadata:
    """A tensor the model takes or gives; -1 is an axis of any length."""

    name: str
    datatype: str
    shape: tuple[int, ...]


@dataclass(frozen=True)
class Metadata:
    """The model as its callers see it. A request has one of the inputs, never both."""

    name: str
    version: str
    platform: str
    inputs: tuple[TensorMetadata, ...]
    outputs: tuple[TensorMetadata, ...]


@dataclass(frozen=True)
class ServerMetadata:
    """The process as its callers see it."""

    name: str
    version: str
    extensions: tuple[str, ...]


def check_address(manifest: Manifest, model: str, version: str) -> None:
    """Refuse a request for another model or version.

    Raises:
        ModelNotFound: names what is served here.
    """
    if model != manifest.name:
        raise ModelNotFound(f"model '{model}' is not served here; '{manifest.name}' is")
    if version not in ("", manifest.version):
        raise ModelNotFound(f"model '{model}' is served here in version '{manifest.version}', not '{version}'")


def batch_of(request: InferRequest, manifest: Manifest, max_batch: int) -> Images | list[bytes]:
    """Check a request whole, before anything of it runs.

    Returns:
        [N, C, H, W] finite float32 from the model's own input, or N encoded pictures, not yet looked at.
    Raises:
        ModelNotFound, UnknownTensor, DtypeMismatch, ShapeMismatch, EmptyBatch, BatchTooLarge, NonFiniteInput.
    """
    check_address(manifest, request.model, request.version)
    known = [output.name for output in outputs_of(manifest)]
    for name in request.outputs:
        if name not in known:
            has = f"only '{known[0]}'" if len(known) == 1 else f"{', '.join(known)}"
            raise UnknownTensor(f"output '{name}': model '{manifest.name}' has {has}")
    encoded = manifest.input_spec.kind
    names = f"'{manifest.input_name}' or '{encoded}'"
    if len(request.inputs) != 1:
        raise UnknownTensor(f"{len(request.inputs)} inputs: model '{manifest.name}' takes exactly one, {names}")
    (tensor,) = request.inputs
    if tensor.name == encoded:
        return _files(tensor, max_batch)
    if tensor.name != manifest.input_name:
        raise UnknownTensor(f"input '{tensor.name}': model '{manifest.name}' takes {names}")
    return _images(tensor, manifest.input_shape, max_batch)


def describe(manifest: Manifest) -> Metadata:
    """Describe the model to those who would call it."""
    return Metadata(
        name=manifest.name,
        version=manifest.version,
        platform=manifest.runtime,
        inputs=(
            TensorMetadata(manifest.input_name, "FP32", (-1, *manifest.input_shape[1:])),
            TensorMetadata(manifest.input_spec.kind, BYTES, (-1,)),
        ),
        outputs=outputs_of(manifest),
    )


def outputs_of(manifest: Manifest) -> tuple[TensorMetadata, ...]:
    """What the model answers: class scores, or of a detector its boxes."""
    if manifest.detection is None:
        return (TensorMetadata(manifest.output_name, "FP32", (-1, *manifest.output_shape[1:])),)
    return (
        TensorMetadata(BOXES, "FP32", (-1, -1, 4)),
        TensorMetadata(SCORES, "FP32", (-1, -1)),
        TensorMetadata(LABELS, "INT32", (-1, -1)),
    )


def describe_server() -> ServerMetadata:
    """Describe this process."""
    # Imported here: it costs 10 ms, and a cold start does not need it.
    from importlib.metadata import PackageNotFoundError
    from importlib.metadata import version as installed_version

    try:
        version = installed_version("strata")
    except PackageNotFoundError:
        version = "not installed"
    return ServerMetadata("strata-model", version, ("binary_tensor_data",))


def _files(tensor: Tensor, max_batch: int) -> list[bytes]:
    """What the input takes that is called as its kind, instead of the model's own tensor: JPEG, PNG, ...; or WAV."""
    if not isinstance(tensor.values, list):
        raise DtypeMismatch(f"input '{tensor.name}': datatype {tensor.datatype}; encoded {tensor.name}s are {BYTES}")
    if len(tensor.shape) not in (1, 2) or tensor.shape[1:] not in ((), (1,)):
        raise ShapeMismatch(
            f"input '{tensor.name}': shape {list(tensor.shape)}; it is [N], one element a {tensor.name}"
        )
    _check_length(len(tensor.values), max_batch)
    return tensor.values


def _images(tensor: Tensor, expected: tuple[int, ...], max_batch: int) -> Images:
    if isinstance(tensor.values, list) or tensor.datatype != "FP32":
        raise DtypeMismatch(f"input '{tensor.name}': datatype {tensor.datatype}; the model takes FP32")
    if len(tensor.shape) != len(expected) or tensor.shape[1:] != expected[1:]:
        axes = ", ".join(["N", *map(str, expected[1:])])
        raise ShapeMismatch(f"input '{tensor.name}': shape {list(tensor.shape)}; the model takes [{axes}]")
    _check_length(tensor.shape[0], max_batch)
    # NaN is the least and the greatest of whatever it is in; no array of flags is made for the good.
    if not (np.isfinite(tensor.values.min()) and np.isfinite(tensor.values.max())):
        n, *place = np.argwhere(~np.isfinite(tensor.values))[0].tolist()
        value = tensor.values[n, *place]
        raise NonFiniteInput(f"input '{tensor.name}': item {n} holds {value} at {place}; values must be finite")
    return tensor.values


def _check_length(length: int, max_batch: int) -> None:
    if length == 0:
        raise EmptyBatch("the batch is empty; send at least one item")
    if length > max_batch:
        raise BatchTooLarge(f"{length} items in one request; at most {max_batch}, so send several requests")
