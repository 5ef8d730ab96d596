"""Records and activations: what is written is read, whatever the pieces; what is not whole is refused by name."""

import asyncio
from collections.abc import AsyncGenerator, Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.artifacts.activation import (
    Header,
    PictureState,
    StageOutcome,
    read_activation,
    write_header,
    write_outcome,
    write_values,
)
from services.artifacts.record import Picture, check_pictures, read_record, write_record
from services.artifacts.store import open_store
from services.edge.errors import BatchTooLarge, DamagedFile, EmptyBatch, ForeignFile, InvalidInput, OtherVersion
from services.edge.receipts import ReceiptLine, Usage

PICTURES = [Picture("a/0.png", b"first"), Picture("b.jpg", b""), Picture("c", bytes(range(256)))]


async def in_pieces(content: bytes, size: int) -> AsyncGenerator[bytes, int | None]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


def record(pictures: list[Picture]) -> bytes:
    return b"".join(write_record(iter(pictures), len(pictures)))


def read(content: bytes, size: int = 7) -> list[Picture]:
    async def collect() -> list[Picture]:
        return [each async for each in read_record(in_pieces(content, size), "r.record")]

    return asyncio.run(collect())


def read_values(content: bytes, size: int) -> list[Header | np.ndarray | StageOutcome]:
    async def collect() -> list[Header | np.ndarray | StageOutcome]:
        return [each async for each in read_activation(in_pieces(content, size), "a")]

    return asyncio.run(collect())


@given(
    st.lists(st.builds(Picture, st.text(min_size=1, max_size=20), st.binary(max_size=200)), max_size=8),
    st.integers(1, 300),
)
def test_a_record_reads_as_it_was_written_however_it_arrives(pictures: list[Picture], size: int) -> None:
    assert read(record(pictures), size) == pictures


@given(st.integers(0, 10_000))
def test_a_record_that_is_cut_short_is_refused(length: int) -> None:
    content = record(PICTURES)
    with pytest.raises((DamagedFile, ForeignFile), match=r"r\.record"):
        read(content[: length % len(content)])


@given(st.integers(0, 10_000), st.integers(1, 255))
def test_a_record_with_any_byte_changed_is_refused(place: int, change: int) -> None:
    content = bytearray(record(PICTURES))
    content[place % len(content)] ^= change
    with pytest.raises((DamagedFile, ForeignFile, OtherVersion), match=r"r\.record"):
        read(bytes(content))


@given(st.binary(max_size=100))
def test_any_other_bytes_are_no_record(content: bytes) -> None:
    with pytest.raises((ForeignFile, DamagedFile)):
        read(content)


def without_a_picture(content: bytes) -> bytes:
    first = record(PICTURES[:1])
    header = content.index(b"I")
    return content[:header] + first[first.index(b"I") :]


@pytest.mark.parametrize(
    ("change", "error", "what"),
    [
        (lambda content: b"\x89PNG\r\n\x1a\n" + content, ForeignFile, "not a record: it begins with 89 50 4e"),
        (lambda _: b"", ForeignFile, "not a record: it begins with nothing"),
        (lambda _: write_header(Header("c", 0, ())), ForeignFile, "not a record"),
        (lambda content: content[:7] + b"\x02" + content[8:], OtherVersion, "of version 2; this build reads version 1"),
        (lambda content: content[:-5], DamagedFile, "cut short; write it again"),
        (lambda content: content[:5], DamagedFile, "cut short after 5 bytes"),
        (lambda content: content.replace(b"first", b"worst"), DamagedFile, "a checksum differs"),
        (lambda content: content + b"x", DamagedFile, "goes on after its end"),
        (without_a_picture, DamagedFile, "1 pictures, its header announces 3"),
    ],
)
def test_what_is_wrong_with_a_record_is_said(
    change: Callable[[bytes], bytes], error: type[Exception], what: str
) -> None:
    with pytest.raises(error, match=f"r.record: .*{what}"):
        read(change(record(PICTURES)))


@pytest.mark.parametrize(
    ("names", "error"),
    [([], EmptyBatch), (["x"] * 2, InvalidInput), ([""], InvalidInput), ([str(n) for n in range(1001)], BatchTooLarge)],
)
def test_what_makes_no_record_is_refused(names: list[str], error: type[Exception]) -> None:
    with pytest.raises(error):
        check_pictures(names)


@given(st.lists(st.integers(1, 5), max_size=4), st.integers(1, 500))
def test_an_activation_reads_as_it_was_written(lengths: list[int], size: int) -> None:
    rng = np.random.default_rng(0)
    batches = [rng.standard_normal((length, 2, 3), np.float32) for length in lengths]
    good = [PictureState(str(n)) for n in range(sum(lengths))]
    usage = Usage(1, 0.5, 0.25, 10, 20, 3, 4)
    outcome = StageOutcome((*good, PictureState("bad", "no picture")), ReceiptLine("", usage, 0.0), 77, True)
    written = [piece for batch in batches for piece in write_values(batch)]
    content = b"".join([write_header(Header("chain", 2, (2, 3))), *written, write_outcome(outcome)])
    header, *values, end = read_values(content, size)
    assert header == Header("chain", 2, (2, 3))
    assert end == outcome
    assert all(np.array_equal(np.asarray(found), batch) for found, batch in zip(values, batches, strict=True))


@pytest.mark.parametrize(("rows", "width"), [(20, 3), (4, 100_000), (4, 400_000)])
async def test_values_of_a_folder_come_as_they_were_written_whatever_their_size(
    tmp_path: Path, rows: int, width: int
) -> None:
    batches = [np.full((rows, width), number, np.float32) for number in range(5)]
    good = tuple(PictureState(str(n)) for n in range(5 * rows))
    outcome = StageOutcome(good, ReceiptLine("", Usage(), 0.0), 0, False)
    written = [piece for batch in batches for piece in write_values(batch)]
    store = open_store(str(tmp_path))
    await store.write("a", b"".join([write_header(Header("c", 0, (width,))), *written, write_outcome(outcome)]))
    _, *values, end = [part async for part in read_activation(store.stream("a"), "a")]
    assert end == outcome
    assert all(np.array_equal(np.asarray(found), batch) for found, batch in zip(values, batches, strict=True))


def test_an_activation_that_lacks_values_is_refused() -> None:
    outcome = StageOutcome((PictureState("a"),), ReceiptLine("", Usage(), 0.0), 0, False)
    with pytest.raises(DamagedFile, match="values of 0 pictures, its trailer has 1"):
        read_values(write_header(Header("c", 0, (2,))) + write_outcome(outcome), 10)
