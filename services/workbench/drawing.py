"""Pictures for people: boxes on a photograph, errors as curves, histograms, feature maps. PNG files."""

from collections.abc import Sequence
from pathlib import Path

import matplotlib
import torch
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor
from torchvision.utils import draw_bounding_boxes

from quant.crossing import Crossing
from services.edge.errors import InvalidInput
from services.workbench.model import Model
from services.workbench.tensor_file import check_writable
from services.zoo.detection import Detection

matplotlib.use("Agg")
_COLOURS = ("#e6194b", "#3cb44b", "#4363d8", "#f58231", "#911eb4", "#008080", "#9a6324", "#800000")
_HIGHEST_DB = 80.0


def check_drawable(path: Path) -> None:
    """Raises InvalidInput where no picture can be written there: before the work that would fill it."""
    if path.suffix.lower() != ".png":
        raise InvalidInput(f"{path}: pictures are written as .png")
    check_writable(path)


def draw_boxes(model: Model, picture: Tensor, found: Sequence[Detection], path: Path) -> None:
    """Write the picture, uint8 [3, H, W], with a named box for each detection."""
    if found:
        _, height, width = picture.shape
        scale = torch.tensor([width, height, width, height])
        corners = [[d.x - d.width / 2, d.y - d.height / 2, d.x + d.width / 2, d.y + d.height / 2] for d in found]
        frames = (torch.tensor(corners).clamp(0, 1) * scale).round()
        names = [f"{model.label(d.label)} {d.score:.0%}" for d in found]
        colours = [_COLOURS[d.label % len(_COLOURS)] for d in found]
        picture = draw_bounding_boxes(picture, frames, names, colours, width=max(2, width // 200))
    _save(Image.fromarray(picture.permute(1, 2, 0).numpy()), path)


def draw_grey(picture: Tensor, path: Path) -> None:
    """Write a grey picture, uint8 [H, W]."""
    _save(Image.fromarray(picture.numpy()), path)


def plot_crossings(title: str, rows: Sequence[Crossing], path: Path) -> None:
    """Own, inherited and total error of each layer; no error at all is drawn at 80 dB."""
    figure = Figure(figsize=(max(8.0, len(rows) * 0.14), 5), layout="constrained")
    axes = figure.subplots()
    for name in ("own", "inherited", "total"):
        axes.plot([min(getattr(row, f"{name}_db"), _HIGHEST_DB) for row in rows], marker=".", label=name)
    axes.set(title=title, ylabel="signal to noise, dB (higher is better)")
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
