"""Write held-out pictures as PNG files, a folder per class, as `strata ensemble evaluate` reads them.

python -m examples.fashion.export_pictures FOLDER --per-class 4      (1000 per class are all 10 000)
"""

import argparse
from pathlib import Path

from PIL import Image

from examples.fashion.dataset import FOLDER, Pictures, read_held_out

LABELS = Path(__file__).parent / "models" / "labels.txt"


def export(pictures: Pictures, labels: list[str], per_class: int, folder: Path) -> None:
    """Write the first `per_class` pictures of each class as `folder/<label>/<index>.png`."""
    for index, label in enumerate(labels):
        place = folder / label
        place.mkdir(parents=True, exist_ok=True)
        for number in (pictures.classes == index).nonzero().flatten()[:per_class].tolist():
            Image.fromarray(pictures.grey[number, 0].numpy()).save(place / f"{number:05}.png")


def main() -> None:
    parser = argparse.ArgumentParser(description="Write held-out Fashion-MNIST pictures as PNG files.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-class", type=int, default=4)
    parser.add_argument("--data", type=Path, default=FOLDER)
    arguments = parser.parse_args()
    export(read_held_out(arguments.data), LABELS.read_text().splitlines(), arguments.per_class, arguments.folder)


if __name__ == "__main__":
    main()
