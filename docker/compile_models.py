"""Compile models into an image: `compile_models.py OUTPUT NAME...`; the catalog's folders come from STRATA_MODELS.

Each model becomes the folder OUTPUT/NAME, whatever its version: a Kubernetes object can name it without knowing the digest.
"""

import os
import sys
import tempfile
from pathlib import Path

from services.zoo.catalog import default_catalog
from services.zoo.compile import compile_model


def main(output: Path, names: list[str]) -> None:
    """Compile each named model; stop at the first that does not."""
    catalog = default_catalog(os.environ)
    output.mkdir(parents=True, exist_ok=True)
    for name in names:
        model_file = catalog.model(name)
        with tempfile.TemporaryDirectory(dir=output) as cache:
            compile_model(model_file, Path(cache), model_file.runtime).rename(output / name)
        print(f"compiled {name}", flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
