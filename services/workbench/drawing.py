"""Pictures for people: boxes on a photograph, errors as curves, histograms, feature maps. PNG files."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import torch
from matplotlib.figure import Figure
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from quant.crossing import Crossing
from services.edge.errors import InvalidInput
from services.workbench.model import Model
from services.workbench.tensor_file import check_writable
from services.zoo.detection import Detection

matplotlib.use("Agg")
_COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#800000")
_HIGHEST_DB = 80.0
_LEAST_SIDE = 512


def check_drawable(path: Path) -> None:
    """Raises InvalidInput where no picture can be written there: before the work that would fill it."""
    if path.suffix.lower() != ".png":
        raise InvalidInput(f"{path}: pictures are written as .png")
    check_writable(path)


def draw_boxes(model: Model, picture: Tensor, found: Sequence[Detection], path: Path) -> None:
    """Write the picture, uint8 [3, H, W], with a named box for each detection."""
    drawn = Image.fromarray(picture.permute(1, 2, 0).contiguous().numpy())
    if found:
        _, height, width = picture.shape
        line = max(2, width // 200)
        last = torch.tensor([width - 1, height - 1, width - 1, height - 1])
        corners = [[d.x - d.width / 2, d.y - d.height / 2, d.x + d.width / 2, d.y + d.height / 2] for d in found]
        frames = (torch.tensor(corners).clamp(0, 1) * last).round().int().tolist()
        pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(max(11, min(height, width) // 40))
        marked = sorted(zip(found, frames, strict=True), key=lambda pair: pair[0].score)  # the surest lies on top
        for each, frame in marked:
            pen.rectangle(frame, outline=_colour(each), width=line)
        for each, (left, top, *_) in marked:
            name = f"{model.label(each.label)} {each.score:.0%}"
            _, _, name_width, name_height = pen.textbbox((0, 0), name, font)
            # above its frame where there is room, and never beyond the picture
            x, y = max(0, min(left, width - name_width - 4)), max(0, top - name_height - 3)
            pen.rectangle((x, y, x + name_width + 3, y + name_height + 3), fill=_colour(each))
            pen.text((x + 2, y + 1), name, "white", font)
    _save(drawn, path)


def _colour(found: Detection) -> str:
    return _COLOURS[found.label % len(_COLOURS)]


def draw_grey(picture: Tensor, path: Path) -> None:
    """Write a grey picture, uint8 [H, W]; a small one with every pixel as a square, so that it can be seen."""
    times = max(1, _LEAST_SIDE // max(picture.shape))
    _save(Image.fromarray(picture.repeat_interleave(times, 0).repeat_interleave(times, 1).numpy()), path)


def plot_crossings(title: str, rows: Sequence[Crossing], path: Path) -> None:
    """Own, inherited and total error of each layer; no error at all is drawn at 80 dB."""
    figure = Figure(figsize=(max(8.0, len(rows) * 0.14), 5), layout="constrained")
    axes = figure.subplots()
    for name in ("own", "inherited", "total"):
        axes.plot([min(getattr(row, f"{name}_db"), _HIGHEST_DB) for row in rows], marker=".", label=name)
    axes.set(title=title, ylabel=f"signal to noise, dB (higher is better; {_HIGHEST_DB:.0f}: no error)")
    axes.set_xticks(range(len(rows)), [row.layer for row in rows], rotation=90, fontsize=6)
    axes.grid(alpha=0.3)
    axes.legend()
    _save(figure, path)


def plot_histogram(title: str, edges: Tensor, counts: Tensor, path: Path) -> None:
    """One value's histogram, counts on a logarithmic scale."""
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    axes.stairs(counts.numpy(), edges.numpy(), fill=True)
    axes.set(title=title, xlabel="value", ylabel="elements")
    axes.set_yscale("symlog")
    _save(figure, path)


def _save(picture: object, path: Path) -> None:
    check_drawable(path)
    try:
        if isinstance(picture, Image.Image):
            picture.save(path)
        else:
            picture.savefig(path, dpi=120)  # type: ignore[attr-defined]
    except OSError as error:
        raise InvalidInput(f"{path}: cannot be written: {error.strerror or error}") from error
