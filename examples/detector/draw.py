"""Write drawn pictures with their boxes as files, in Darknet's label format: one `class x y width height` per line.

python -m examples.detector.draw --count 100 --output pictures
"""

import argparse
from pathlib import Path

from PIL import Image

from examples.detector.scenes import draw_scene


def write_scene(seed: int, folder: Path, suffix: str = ".jpg") -> None:
    """Write `shapes-SEED.jpg`, or another suffix, and `shapes-SEED.txt`."""
    picture, truths = draw_scene(seed)
    Image.fromarray(picture).save(folder / f"shapes-{seed}{suffix}", quality=92)
    lines = (f"{box.label} {box.x:.6f} {box.y:.6f} {box.width:.6f} {box.height:.6f}\n" for box in truths)
    (folder / f"shapes-{seed}.txt").write_text("".join(lines))


def main() -> None:
    parser = argparse.ArgumentParser(description="Draw pictures of shapes.")
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    parser.add_argument("--suffix", default=".jpg", help="of the pictures: .png loses nothing")
    parser.add_argument("--output", type=Path, required=True)
    arguments = parser.parse_args()
    arguments.output.mkdir(parents=True, exist_ok=True)
    for seed in range(arguments.first_seed, arguments.first_seed + arguments.count):
        write_scene(seed, arguments.output, arguments.suffix)


if __name__ == "__main__":
    main()
