"""How many pictures are computed at a time."""

CHUNK_BYTES = 8 * 3 * 224 * 224 * 4
"""A batch runs in chunks of at most this many input bytes: activations, which grow with the chunk, stay bounded."""


def chunk_length(item_bytes: int, chunk_bytes: int = CHUNK_BYTES) -> int:
    """Count the items of one chunk: what fits `chunk_bytes`, at least 1."""
    return max(1, chunk_bytes // item_bytes)
