"""Make records of pictures, and pictures of records."""

from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from services.artifacts.record import MAX_PICTURES, SUFFIX, Picture, check_pictures, read_record, write_record
from services.artifacts.store import ObjectStore
from services.edge.errors import ArtifactExists, ArtifactNotFound, InvalidInput
from services.edge.progress import Progress, no_progress
from services.pipeline.job_store import record_keys
from services.zoo.picture_files import SUFFIXES, find_pictures, is_picture, read_picture_file


@dataclass(frozen=True)
class Packed:
    """What packing or unpacking came to."""

    records: int
    pictures: int
    size_bytes: int


def name_pictures(places: Sequence[Path]) -> dict[str, Path]:
    """Find pictures and name each by its path below the folder that was given, or by its file's name.

    Raises:
        ArtifactNotFound, EmptyBatch: as `find_pictures`.
        InvalidInput: two pictures would have one name, or a file is not called a picture.
    """
    named: dict[str, Path] = {}
    for place in places:
        for path in find_pictures([place]):
            if not is_picture(path):
                raise InvalidInput(f"{path}: expected a picture's name, which ends in {', '.join(SUFFIXES)}")
            name = path.relative_to(place).as_posix() if place.is_dir() else path.name
            if name in named:
                raise InvalidInput(f"{named[name]} and {path} would both be '{name}'; pack a folder above both")
            named[name] = path
    return named


async def pack(
    named: Mapping[str, Path], per_record: int, store: ObjectStore, progress: Progress = no_progress
) -> Packed:
    """Write pictures as records 000000.record, 000001.record, ...; each is there whole or not at all.

    Raises:
        InvalidInput, BatchTooLarge: pictures or `per_record` that make no record.
        ArtifactExists: the store has records already.
        ArtifactNotFound: a picture is gone.
    """
    if not 1 <= per_record <= MAX_PICTURES:
        raise InvalidInput(f"{per_record} pictures in a record: it is 1 to {MAX_PICTURES}")
    if await record_keys(store):
        raise ArtifactExists(f"{store.url}: has records already; choose another place or remove them")
    before_bytes = store.use.bytes_written
    records = pictures = 0
    for records, names in enumerate(_batched(list(named), per_record), 1):
        check_pictures(names)
        pieces = write_record((_read(name, named[name]) for name in names), len(names))
        await store.write_stream(f"{records - 1:06}{SUFFIX}", _as_stream(pieces))
        pictures += len(names)
        progress("packing", pictures, len(named))
    return Packed(records, len(named), store.use.bytes_written - before_bytes)


async def unpack(store: ObjectStore, folder: Path, progress: Progress = no_progress) -> Packed:
    """Write the pictures of every record below `folder`, each record's into a folder of its own.

    Raises:
        ArtifactNotFound: the store has no records.
        ForeignFile, OtherVersion, DamagedFile: as `read_record`; the pictures before the fault are written.
        InvalidInput: a picture's name leads out of the folder.
    """
    keys = await record_keys(store)
    if not keys:
        raise ArtifactNotFound(f"{store.url}: no records here (*{SUFFIX})")
    pictures = size_bytes = 0
    for key in keys:
        async for picture in read_record(store.stream(key), store.url_of(key)):
            path = folder / key.removesuffix(SUFFIX) / _safe(picture.name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(picture.content)
            pictures += 1
            size_bytes += len(picture.content)
            progress("unpacking", pictures)
    return Packed(len(keys), pictures, size_bytes)


def _read(name: str, path: Path) -> Picture:
    try:
        return Picture(name, read_picture_file(path))
    except OSError as error:
        raise ArtifactNotFound(f"{path}: {error.strerror or error}") from error


def _safe(name: str) -> PurePosixPath:
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name:
        raise InvalidInput(f"picture '{name}': its name leads out of the folder")
    return path


async def _as_stream(pieces: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def _batched(names: list[str], count: int) -> Iterator[list[str]]:
    return (names[start : start + count] for start in range(0, len(names), count))
