"""Compile every model of some folders into an image: `compile_models.py OUTPUT FOLDER...`.

Each model becomes the folder OUTPUT/NAME, whatever its version: Kubernetes objects name it without knowing the digest.
"""

import sys
import tempfile
from pathlib import Path

from services.zoo.catalog import Catalog
from services.zoo.model_compile import compile_model


def main(output: Path, folders: list[Path]) -> None:
    """Compile each model; stop at the first that does not."""
    catalog = Catalog(folders)
    output.mkdir(parents=True, exist_ok=True)
    for name in catalog.names():
        model_file = catalog.model(name)
        with tempfile.TemporaryDirectory(dir=output) as cache:
            compile_model(model_file, Path(cache), model_file.runtime, report=print).rename(output / name)


if __name__ == "__main__":
    main(Path(sys.argv[1]), [Path(folder) for folder in sys.argv[2:]])
