"""Packing and unpacking: every picture once, under its name, whole records only."""

from pathlib import Path

import pytest

from services.artifacts.record import Picture, write_record
from services.artifacts.store import ObjectStore, open_store
from services.edge.errors import ArtifactExists, ArtifactNotFound, InvalidInput
from services.pipeline.packing import name_pictures, pack, unpack


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    for name in ("cat/0.png", "cat/1.png", "dog/0.png", "top.jpg"):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return folder


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"memory://{tmp_path}")


async def test_every_picture_comes_back_under_its_name(pictures: Path, store: ObjectStore, tmp_path: Path) -> None:
    counted: list[tuple[int, int]] = []
    packed = await pack(name_pictures([pictures]), 3, store, lambda _, done=0, total=0: counted.append((done, total)))
    assert (packed.records, packed.pictures, counted) == (2, 4, [(3, 4), (4, 4)])
    assert await store.keys() == ["000000.record", "000001.record"]
    unpacked = await unpack(store, tmp_path / "out")
    assert (unpacked.records, unpacked.pictures) == (2, 4)
    found = {
        path.relative_to(tmp_path / "out").as_posix(): path.read_bytes() for path in (tmp_path / "out").rglob("*.*")
    }
    assert found == {
        "000000/cat/0.png": b"cat/0.png",
        "000000/cat/1.png": b"cat/1.png",
        "000000/dog/0.png": b"dog/0.png",
        "000001/top.jpg": b"top.jpg",
    }


def test_a_file_that_is_not_called_a_picture_is_refused(pictures: Path) -> None:
    (pictures / "notes.md").write_text("no picture")
    with pytest.raises(InvalidInput, match=r"notes.md: expected a picture's name, which ends in .jpg, "):
        name_pictures([pictures / "top.jpg", pictures / "notes.md"])


def test_two_pictures_of_one_name_are_refused(pictures: Path) -> None:
    with pytest.raises(InvalidInput, match=r"cat/0.png and .*dog/0.png would both be '0.png'"):
        name_pictures([pictures / "cat", pictures / "dog"])


async def test_records_are_not_mixed_with_others(pictures: Path, store: ObjectStore) -> None:
    named = name_pictures([pictures])
    await pack(named, 10, store)
    with pytest.raises(ArtifactExists, match="has records already"):
        await pack(named, 10, store)


@pytest.mark.parametrize("per_record", [0, 1001])
async def test_a_records_length_is_bounded(pictures: Path, store: ObjectStore, per_record: int) -> None:
    with pytest.raises(InvalidInput, match="it is 1 to 1000"):
        await pack(name_pictures([pictures]), per_record, store)


async def test_a_store_without_records_is_named(store: ObjectStore, tmp_path: Path) -> None:
    with pytest.raises(ArtifactNotFound, match="no records here"):
        await unpack(store, tmp_path)


@pytest.mark.parametrize("name", ["../outside.png", "/tmp/outside.png", "a/../../outside.png"])
async def test_no_name_leads_out_of_the_folder(store: ObjectStore, tmp_path: Path, name: str) -> None:
    await store.write("0.record", b"".join(write_record(iter([Picture(name, b"")]), 1)))
    with pytest.raises(InvalidInput, match="leads out of the folder"):
        await unpack(store, tmp_path / "in")
    assert not list(tmp_path.rglob("outside.png"))
