"""Draws the detector's pictures: shapes on textures, with their boxes. The same seed always gives the same picture."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

SIZE = 192
"""Side of a picture in pixels."""

_SHARPNESS = 3  # shapes are drawn this much larger and averaged, so that their edges are smooth
_LEAST_CONTRAST = 45  # of a shape against what it covers, in one colour at least, of 255
_Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Truth:
    """One drawn shape: its class, and its box's centre and size as fractions of the picture, 0 to 1."""

    label: int
    x: float
    y: float
    width: float
    height: float


def draw_scene(seed: int, most_shapes: int = 5) -> tuple[NDArray[np.uint8], list[Truth]]:
    """Draw one picture.

    Returns:
        [SIZE, SIZE, 3], RGB, 0 to 255; and what stands in it, 1 to `most_shapes` shapes that hardly overlap.
    """
    random = np.random.default_rng(seed)
    canvas = _texture(random, SIZE, SIZE)
    truths: list[Truth] = []
    wanted = int(random.integers(1, most_shapes + 1))
    for _ in range(4 * wanted):
        if len(truths) == wanted:
            break
        shape = _Placed.draw(random)
        if all(shape.overlap(truth) < 0.15 for truth in truths):
            shape.paint(canvas, random)
            truths.append(shape.truth)
    noisy = canvas + random.uniform(0, 14) * random.standard_normal(canvas.shape, np.float32)
    return noisy.clip(0, 255).astype(np.uint8), truths


def _polygon(corners: int, radii: tuple[float, ...] = (1.0,)) -> _Points:
    steps = [(radii[k % len(radii)], 2 * math.pi * k / corners) for k in range(corners)]
    return [(radius * math.sin(angle), -radius * math.cos(angle)) for radius, angle in steps]


def _cross() -> _Points:
    arm, reach = 0.32, 0.95
    quarter = [(arm, -reach), (arm, -arm), (reach, -arm)]
    points: _Points = []
    for _ in range(4):
        points += quarter
        quarter = [(-y, x) for x, y in quarter]
    return points


# name -> (outline, hole), in a circle of radius 1
_OUTLINES: dict[str, Callable[[], tuple[_Points, _Points]]] = {
    "circle": lambda: (_polygon(48), []),
    "ring": lambda: (_polygon(48), _polygon(48, (0.55,))),
    "triangle": lambda: (_polygon(3), []),
    "square": lambda: (_polygon(4), []),
    "star": lambda: (_polygon(10, (1.0, 0.45)), []),
    "cross": lambda: (_cross(), []),
}
CLASSES = tuple(_OUTLINES)


@dataclass(frozen=True)
class _Placed:
    """A shape at its place: outline and hole in pixels."""

    label: int
    outline: NDArray[np.float64]
    hole: NDArray[np.float64]

    @classmethod
    def draw(cls, random: np.random.Generator) -> "_Placed":
        label = int(random.integers(len(CLASSES)))
        outline, hole = (np.array(points).reshape(-1, 2) for points in _OUTLINES[CLASSES[label]]())
        angle, radius = random.uniform(0, 2 * math.pi), math.exp(random.uniform(math.log(9), math.log(46)))
        stretch = np.diag(random.uniform(0.8, 1.0, 2))
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        center = random.uniform(radius, SIZE - radius, 2)
        place = radius * turn @ stretch
        return cls(label, outline @ place.T + center, hole @ place.T + center)

    @property
    def truth(self) -> Truth:
        low, high = self.outline.min(0), self.outline.max(0)
        (x, y), (width, height) = (low + high) / (2 * SIZE), (high - low) / SIZE
        return Truth(self.label, float(x), float(y), float(width), float(height))

    def overlap(self, other: Truth) -> float:
        """The part of the smaller box that both share, 0 to 1."""
        own, shared = self.truth, 1.0
        for side, length in (("x", "width"), ("y", "height")):
            spans = [(getattr(box, side), getattr(box, length) / 2) for box in (own, other)]
            start, end = max(middle - half for middle, half in spans), min(middle + half for middle, half in spans)
            shared *= max(0.0, end - start)
        return shared / min(own.width * own.height, other.width * other.height)

    def paint(self, canvas: NDArray[np.float32], random: np.random.Generator) -> None:
        """Lay the shape over the canvas, in a colour that differs from what is there."""
        left, top = np.floor(self.outline.min(0)).astype(int).clip(0)
        right, bottom = np.ceil(self.outline.max(0)).astype(int).clip(None, SIZE)
        mask = Image.new("L", ((right - left) * _SHARPNESS, (bottom - top) * _SHARPNESS))
        pen = ImageDraw.Draw(mask)
        for points, value in ((self.outline, 255), (self.hole, 0)):
            if len(points):
                pen.polygon([(x, y) for x, y in (points - (left, top)) * _SHARPNESS], fill=value)
        cover = np.asarray(mask.reduce(_SHARPNESS), np.float32)[:, :, None] / 255
        behind = canvas[top:bottom, left:right]
        replaced = (behind * cover).sum((0, 1)) / cover.sum()
        color = random.uniform(0, 255, 3)
        while np.abs(color - replaced).max() < _LEAST_CONTRAST:
            color = random.uniform(0, 255, 3)
        shade = 1 + random.uniform(0, 0.25) * (_texture(random, bottom - top, right - left) / 127.5 - 1)
        behind += cover * (color * shade - behind)


def _texture(random: np.random.Generator, height: int, width: int) -> NDArray[np.float32]:
    """[height, width, 3], 0 to 255: stripes, checks, clouds or a gradient between two colours."""
    rows = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    columns = np.linspace(0, 1, width, dtype=np.float32)
    angle, count = random.uniform(0, math.pi), random.uniform(1, 12)
    along = rows * math.sin(angle) + columns * math.cos(angle)
    across = rows * math.cos(angle) - columns * math.sin(angle)
    match random.integers(4):
        case 0:
            blend = 0.5 + 0.5 * np.sin(2 * math.pi * count * along)
        case 1:
            blend = (np.floor(count * along) + np.floor(count * across)) % 2
        case 2:
            coarse = random.uniform(0, 1, (int(count) + 3, int(count) + 3)).astype(np.float32)
            blend = np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))
        case _:
            blend = (along - along.min()) / (along.max() - along.min())
    first, second = random.uniform(0, 255, (2, 3)).astype(np.float32)
    strength = np.float32(random.uniform(0.2, 0.8))
    texture: NDArray[np.float32] = first + strength * blend[:, :, None] * (second - first)
    return texture
