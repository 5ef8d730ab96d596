"""Compiled stages in a store: there once the last file is, fetched by each stage for itself."""

from pathlib import Path

import pytest

from services.artifacts.store import ObjectStore, open_store
from services.edge.errors import InvalidDeclaration
from services.stage.publish import _stages
from services.stage.publishing import fetch, is_published, publish
from services.stage.settings import settings_from


@pytest.fixture
def folders(tmp_path: Path) -> list[Path]:
    made = []
    for stage in range(2):
        folder = tmp_path / f"{stage}-name"
        folder.mkdir()
        (folder / "stage.json").write_text(f"manifest {stage}")
        (folder / "model.onnx").write_bytes(b"weights" * 100)
        made.append(folder)
    return made


@pytest.fixture
def store(tmp_path: Path) -> ObjectStore:
    return open_store(f"memory://{tmp_path}")


async def no_pause(_: float) -> None:
    return


async def test_a_stage_fetches_its_own_files(folders: list[Path], store: ObjectStore, tmp_path: Path) -> None:
    await publish(folders, store)
    assert await is_published(store, 2)
    (tmp_path / "here").mkdir()
    await fetch(store, 1, tmp_path / "here", no_pause)
    assert {path.name: path.read_bytes() for path in (tmp_path / "here").iterdir()} == {
        "stage.json": b"manifest 1",
        "model.onnx": b"weights" * 100,
    }


async def test_a_stage_waits_until_it_is_published_whole(
    folders: list[Path], store: ObjectStore, tmp_path: Path
) -> None:
    await store.write("1/model.onnx", b"half")
    pauses: list[float] = []

    async def publish_at_last(pause_s: float) -> None:
        pauses.append(pause_s)
        if len(pauses) == 3:
            await publish(folders, store)

    (tmp_path / "here").mkdir()
    assert not await is_published(store, 2)
    await fetch(store, 1, tmp_path / "here", publish_at_last)
    assert len(pauses) == 3
    assert (tmp_path / "here" / "model.onnx").read_bytes() == b"weights" * 100


def test_the_stages_to_publish_are_read_in_their_order() -> None:
    assert list(_stages('{"b": "x", "a": null}').items()) == [("b", "x"), ("a", None)]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"a": "x"}', '{"a": null, "b": null}', '{"a": 1, "b": null}'])
def test_stages_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(InvalidDeclaration, match="PUBLISH_STAGES"):
        _stages(text)


def test_the_platforms_port_is_the_one_that_is_served() -> None:
    given = {"STAGE_COMPILED": "/x", "STAGE_STORES": "s3://a s3://b"}
    assert settings_from(given).grpc_address == "127.0.0.1:0"
    assert settings_from({**given, "PORT": "8080"}).grpc_address == "0.0.0.0:8080"
    with pytest.raises(InvalidDeclaration, match="GRPC_ADDRESS"):
        settings_from({**given, "STAGE_GRPC_ADDRESS": "x"})
