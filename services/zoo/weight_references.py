"""Weights by reference: `torchvision://NAME`, `pretrained://NAME`, `file://PATH`, `s3://BUCKET/KEY`, `random://SEED`.

Without torch: what is compiled already is found by these alone.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from services.artifacts.store import open_store, split_url
from services.edge.errors import ArtifactNotFound
from services.zoo.pretrained import PRETRAINED, read_pretrained

FILE, S3, RANDOM, TORCHVISION = "file://", "s3://", "random://", "torchvision://"


def fetch(reference: str, folder: Path) -> bytes:
    """Read what a `file://`, `s3://` or `pretrained://` reference points at; relative paths start at `folder`.

    S3's endpoint and keys come from the AWS_* environment.

    Raises:
        ArtifactNotFound: nothing is there.  StoreRefused: the store does not allow it.
        StoreUnavailable: it did not answer.  InvalidWeights: fetched weights that were changed since.
    """
    if reference.startswith(PRETRAINED):
        return read_pretrained(reference)
    if reference.startswith(FILE):
        path = folder / reference.removeprefix(FILE)
        try:
            return path.read_bytes()
        except OSError as error:
            raise ArtifactNotFound(f"{path}: {error.strerror or error}") from error
    store, key = split_url(reference)
    return open_store(store).read_now(key)


@dataclass(frozen=True)
class FetchedWeights:
    """What a reference points at, read once: what is named after the content holds that content.

    Attributes:
        content: None where the reference says it all: a seed, or weights of torchvision's.
    """

    reference: str
    content: bytes | None

    @property
    def digest(self) -> str:
        """Name the content: the SHA-256 of stored bytes, or the reference itself."""
        return self.reference if self.content is None else hashlib.sha256(self.content).hexdigest()

    @property
    def stored(self) -> bytes:
        """The bytes of a `file://`, `s3://` or `pretrained://` reference."""
        assert self.content is not None, f"{self.reference} has no bytes of its own"
        return self.content


def fetch_weights(reference: str, folder: Path) -> FetchedWeights:
    """Read the bytes behind a reference, where it has some. Raises as `fetch`."""
    return FetchedWeights(reference, fetch(reference, folder) if reference.startswith((FILE, S3, PRETRAINED)) else None)
