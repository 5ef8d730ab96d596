"""What a stage is asked, and which requests it refuses."""

import math
from dataclasses import dataclass

from services.artifacts.activation import Header, StageOutcome
from services.artifacts.precision import Encoding, Values
from services.edge.errors import EmptyBatch, InvalidInput, MemoryTooSmall, OtherChain, ShapeMismatch
from services.edge.message_size import LARGEST_MESSAGE_BYTES
from services.edge.receipts import ReceiptLine
from services.zoo.stage_manifest import StageManifest

DEFAULT_MICRO_BATCH = 16

INFER_PICTURES = 4
"""In one message: more of them wait for one another where they could be computed side by side."""
_ENVELOPE_BYTES = 2**20

_HEADROOM = 0.85
"""Of the memory limit: what libraries hold for a moment, and the kernel for the process, counts too."""
_COPIES = 3
"""An operator's values are there while the stage's input is read ahead and its output written."""


@dataclass(frozen=True)
class RunRequest:
    """One record through this stage: `chain` "" is any; `precision` is how values are written for the next stage."""

    chain: str
    input_url: str
    output_url: str
    precision: Encoding = Encoding.FLOAT32


@dataclass(frozen=True)
class RunAnswer:
    """How it ended; `reused` where an earlier call had computed it."""

    outcome: StageOutcome
    reused: bool


@dataclass(frozen=True)
class ValuesAnswer:
    """The values of a few pictures, [N, ...]; `cold` where they were the process's first."""

    values: Values
    line: ReceiptLine
    compute_ms: float
    cold: bool


def check_values(chain: str, values: Values, manifest: StageManifest) -> None:
    """Refuse values of another chain, or of another shape than this stage takes.

    Raises:
        OtherChain, ShapeMismatch: names what is served here.
        EmptyBatch: no picture at all.
    """
    _check_chain(chain, manifest)
    if values.shape[1:] != manifest.input_shape:
        raise ShapeMismatch(
            f"values {list(values.shape)}; stage {manifest.name} of model '{manifest.model}' takes "
            f"{['N', *manifest.input_shape]}"
        )
    if not len(values):
        raise EmptyBatch("no picture's values are in the request")


def message_bytes(manifest: StageManifest) -> int:
    """How large a message of values may be, in either direction."""
    largest = max(math.prod(manifest.input_shape), math.prod(manifest.output_shape))
    return min(LARGEST_MESSAGE_BYTES, 4 * INFER_PICTURES * largest + _ENVELOPE_BYTES)


def check_request(request: RunRequest, manifest: StageManifest, stores: tuple[str, ...]) -> None:
    """Refuse a request for another chain, or for places that this stage may not use.

    Raises:
        OtherChain: names what is served here.
        InvalidInput: a URL lies in none of the stores.
    """
    _check_chain(request.chain, manifest)
    for url in (request.input_url, request.output_url):
        if ".." in url.split("/") or not any(lies_in(url, store) for store in stores):
            allowed = " and ".join(stores) or "no store"
            raise InvalidInput(f"'{url}': this stage may use {allowed} (STAGE_STORES)")


def _check_chain(chain: str, manifest: StageManifest) -> None:
    if chain not in ("", manifest.chain):
        raise OtherChain(
            f"stage {manifest.stage} of model '{manifest.model}' is of chain {manifest.chain}, not {chain}: "
            "another model, other weights or other cuts"
        )


def lies_in(url: str, store: str) -> bool:
    """Tell whether an object lies in a store, both by their URLs."""
    return url.startswith(f"{store.rstrip('/')}/")


def input_header(manifest: StageManifest, precision: Encoding) -> Header:
    """What the activations begin with that this stage takes; it takes any precision."""
    return Header(manifest.chain, manifest.stage - 1, manifest.input_shape, precision)


def output_header(manifest: StageManifest, precision: Encoding) -> Header:
    """What the activations begin with that this stage writes; scores are float32 always."""
    return Header(
        manifest.chain,
        manifest.stage,
        manifest.output_shape,
        Encoding.FLOAT32 if manifest.is_last else precision,
    )


def check_header(header: Header, expected: Header, url: str) -> None:
    """Refuse an activation of another chain or stage. Raises OtherChain: names both."""
    if header != expected:
        raise OtherChain(
            f"{url}: an activation {list(header.shape)} {header.precision} of stage {header.stage} of chain "
            f"{header.chain}, where {list(expected.shape)} {expected.precision} of stage {expected.stage} of chain "
            f"{expected.chain} is needed"
        )


def micro_batch_length(
    wanted: int, manifest: StageManifest, concurrency: int, limit_bytes: float, resident_bytes: int
) -> int:
    """Count the pictures that each computation takes: `wanted`, or its share of those that the memory holds.

    Args:
        concurrency: computations at a time.
        limit_bytes: of this process's memory, or infinity.
        resident_bytes: what the loaded stage holds already.
    Raises:
        MemoryTooSmall: not even one fits; says how much would do.
    """
    each_bytes = _COPIES * manifest.working_bytes
    if math.isinf(limit_bytes):
        return wanted
    fits = math.floor((_HEADROOM * limit_bytes - resident_bytes) / each_bytes)
    if fits < 1:
        needed_mb = (resident_bytes + each_bytes) / _HEADROOM / 1e6
        raise MemoryTooSmall(
            f"stage {manifest.name} of model '{manifest.model}': its memory of {limit_bytes / 1e6:.0f} MB does not "
            f"hold one picture; give it {needed_mb:.0f} MB or more"
        )
    return min(wanted, max(1, fits // concurrency))
