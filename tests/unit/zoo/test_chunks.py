from services.zoo.chunks import CHUNK_BYTES, chunk_length


def test_a_chunk_fits_its_bytes_and_has_at_least_one_item() -> None:
    assert chunk_length(4 * 3 * 224 * 224) == 8
    assert chunk_length(CHUNK_BYTES + 1) == 1
    assert chunk_length(3, 10) == 3
