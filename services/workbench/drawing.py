"""Pictures for people: boxes on a photograph, feature maps. As the bytes of PNG files."""

import zlib
from collections.abc import Sequence
from io import BytesIO

import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from services.edge.hues import hue_of
from services.workbench.engine_model import KnownModel
from services.workbench.pictures import DecodedPicture
from services.zoo.detection import Detection

_LEAST_SIDE = 512


def draw_boxes(model: KnownModel, picture: DecodedPicture, found: Sequence[Detection]) -> bytes:
    """Draw the picture with a named box for each detection."""
    drawn = Image.fromarray(picture.pixels.permute(1, 2, 0).contiguous().numpy())
    if found:
        height, width = picture.size
        line = max(2, width // 200)
        last = torch.tensor([width - 1, height - 1, width - 1, height - 1])
        corners = [[d.x - d.width / 2, d.y - d.height / 2, d.x + d.width / 2, d.y + d.height / 2] for d in found]
        frames = (torch.tensor(corners).clamp(0, 1) * last).round().int().tolist()
        pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(max(11, min(height, width) // 40))
        marked = sorted(zip(found, frames, strict=True), key=lambda pair: pair[0].score)  # the surest lies on top
        for each, frame in marked:
            pen.rectangle(frame, outline=hue_of(each.label), width=line)
        for each, (left, top, *_) in marked:
            name = f"{model.label(each.label)} {each.score:.0%}"
            _, _, name_width, name_height = pen.textbbox((0, 0), name, font)
            # above its frame where there is room, and never beyond the picture
            x, y = max(0, min(left, width - name_width - 4)), max(0, top - name_height - 3)
            pen.rectangle((x, y, x + name_width + 3, y + name_height + 3), fill=hue_of(each.label))
            pen.text((x + 2, y + 1), name, "white", font)
    return _png(drawn)


def draw_picture(pixels: Tensor, most_side: int = 0) -> bytes:
    """Draw a picture, uint8 [3, H, W]; its longer side has `most_side` pixels at most, unless that is 0."""
    drawn = Image.fromarray(pixels.permute(1, 2, 0).contiguous().numpy())
    if most_side:
        drawn.thumbnail((most_side, most_side))
    return _png(drawn)


def draw_grey(picture: Tensor) -> bytes:
    """Draw a grey picture, uint8 [H, W]; a small one with every pixel as a square, so that it can be seen."""
    times = max(1, _LEAST_SIDE // max(picture.shape))
    drawn = Image.fromarray(picture.repeat_interleave(times, 0).repeat_interleave(times, 1).numpy())
    return _png(drawn, compress_type=zlib.Z_RLE)  # a person waits, and noise hardly shrinks with more


def _png(picture: Image.Image, **options: int) -> bytes:
    written = BytesIO()
    picture.save(written, "png", **options)
    return written.getvalue()
