"""Tensors with a header that says what they are, as the bytes of one file: safetensors, so that others can read it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from safetensors.torch import load as decode_tensors
from safetensors.torch import save as encode_tensors
from torch import Tensor

from services.edge.errors import DamagedFile, ForeignFile, OtherVersion

VERSION = "1"
_FORMAT, _VERSION, _CONTENT, _SHA256 = "strata.format", "strata.version", "strata.content", "strata.sha256"
_LONGEST_HEADER_BYTES = 64 << 20


@dataclass(frozen=True, eq=False)
class TensorFile:
    """`content` is what JSON can hold; `sha256` covers content and tensors."""

    content: Any
    tensors: Mapping[str, Tensor]
    sha256: str


def encode_tensor_file(kind: str, content: object, tensors: Mapping[str, Tensor]) -> bytes:
    """The whole file as bytes.

    Args:
        kind: what the file is; reading it asks for the same.
    """
    text = json.dumps(content, sort_keys=True, allow_nan=False)
    header = {_FORMAT: kind, _VERSION: VERSION, _CONTENT: text, _SHA256: "0" * 64}
    blank: bytes = encode_tensors(_each_alone(tensors), header)
    digest = _digest(blank, text)
    return blank.replace(b'"' + b"0" * 64 + b'"', b'"' + digest.encode() + b'"', 1)


def decode_tensor_file(data: bytes, kind: str, source: str) -> TensorFile:
    """Read and check the bytes of a file.

    Args:
        source: where they come from, for errors.
    Raises:
        ForeignFile: not a file of that kind.
        OtherVersion: of that kind, in a format of another version.
        DamagedFile: cut short, too long, or changed.
    """
    header, data_start = _read_header(data, kind, source)
    metadata = header.pop("__metadata__")
    if metadata[_FORMAT] != kind:
        raise ForeignFile(f"{source}: a {metadata[_FORMAT]} file, where {kind} is needed")
    if metadata.get(_VERSION) != VERSION:
        raise OtherVersion(
            f"{source}: format version {metadata.get(_VERSION)!r}, this build reads {VERSION!r}; export the model again"
        )
    try:
        expected_bytes = data_start + max((part["data_offsets"][1] for part in header.values()), default=0)
        if len(data) != expected_bytes:
            raise DamagedFile(f"{source}: {len(data)} bytes, the header announces {expected_bytes}; copy it again")
        text = metadata[_CONTENT]
        digest = _digest(data, text)
        if digest != metadata[_SHA256]:
            raise DamagedFile(f"{source}: its content is not what was written (checksum differs); copy it again")
        return TensorFile(json.loads(text), decode_tensors(data), digest)
    except DamagedFile:
        raise
    except Exception as error:
        # safetensors and json name a dozen errors of their own for a header that was tampered with
        raise DamagedFile(f"{source}: a broken header: {error}") from error


def _read_header(data: bytes, kind: str, source: str) -> tuple[dict[str, Any], int]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or not 2 <= length <= _LONGEST_HEADER_BYTES or data[8:9] != b"{":
        raise ForeignFile(
            f"{source}: not a {kind} file ({len(data)} bytes that begin with {data[:8].hex(' ') or 'nothing'})"
        )
    if len(data) < 8 + length:
        raise DamagedFile(f"{source}: {len(data)} bytes, its header alone has {length}; copy it again")
    try:
        header = json.loads(data[8 : 8 + length])
        metadata = header["__metadata__"]
        if not isinstance(metadata, dict) or _FORMAT not in metadata:
            raise KeyError(_FORMAT)
    except (ValueError, KeyError, TypeError, RecursionError):
        raise ForeignFile(f"{source}: not a {kind} file: another program wrote it, or its header is broken") from None
    return header, 8 + length


def _digest(data: bytes, text: str) -> str:
    """Over the content and the tensors' bytes, which follow the header."""
    start = 8 + int.from_bytes(data[:8], "little")
    hashed = hashlib.sha256(text.encode())
    hashed.update(memoryview(data)[start:])
    return hashed.hexdigest()


def _each_alone(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Contiguous, and none sharing memory with another (a module used twice): safetensors refuses that."""
    seen: set[int] = set()
    alone = {}
    for name, tensor in tensors.items():
        tensor = tensor.detach().contiguous()
        memory = tensor.untyped_storage().data_ptr()
        alone[name] = tensor.clone() if memory in seen else tensor
        seen.add(memory)
    return alone
