import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image
from PIL.Image import Transpose

from services.edge.errors import NotAPicture, PictureTooLarge
from services.zoo.manifest import InputSpec
from services.zoo.preprocessing import decode, preprocess

SPEC = InputSpec((4, 4), 4, (0.5, 0.5, 0.5), (0.25, 0.5, 1.0), "bilinear")


def encoded(form: str, mode: str = "RGB", size: tuple[int, int] = (6, 5)) -> bytes:
    buffer = io.BytesIO()
    Image.new(mode, size, 255 if mode in "L1" else "white").save(buffer, form)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    body = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + body + struct.pack(">I", zlib.crc32(body))
    return b"\x89PNG\r\n\x1a\n" + chunk + struct.pack(">I", 1000) + b"IDAT"


@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "BMP", "GIF"])
def test_each_format_is_decoded_to_rgb(form: str) -> None:
    picture = decode(encoded(form))
    assert (picture.dtype, tuple(picture.shape)) == (torch.uint8, (3, 5, 6))
    assert int(picture.min()) == 255


@pytest.mark.parametrize("mode", ["L", "1", "RGBA", "P"])
def test_every_mode_becomes_three_channels(mode: str) -> None:
    assert decode(encoded("PNG", mode)).shape[0] == 3


def test_sixteen_bits_of_grey_are_scaled_to_eight() -> None:
    grey = np.arange(30, dtype=np.uint8).reshape(5, 6) * 8
    buffer = io.BytesIO()
    Image.fromarray(grey.astype(np.uint16) * 257).save(buffer, "PNG")
    assert np.array_equal(decode(buffer.getvalue())[1].numpy(), grey)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize(
    ("form", "mode"),
    [
        *(("PNG", mode) for mode in ("RGB", "RGBA", "L", "LA", "P", "1", "I;16")),
        *(("JPEG", mode) for mode in ("RGB", "L", "CMYK")),
        *(("WEBP", mode) for mode in ("RGB", "RGBA")),
    ],
)
def test_a_picture_is_turned_as_its_exif_says(form: str, mode: str, orientation: int) -> None:
    picture = Image.new("L", (32, 48), "black")
    picture.paste("white", (0, 0, 16, 16))
    turns = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_90,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_270,
    }
    stored = picture.transpose(turns[orientation]) if orientation in turns else picture
    stored = Image.fromarray(np.asarray(stored, np.uint16) * 257) if mode == "I;16" else stored.convert(mode)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    buffer = io.BytesIO()
    stored.save(buffer, form, exif=exif)
    upright = decode(buffer.getvalue())
    assert upright.shape == (3, 48, 32)
    assert int(upright[:, 2:14, 2:14].min()) > 200
    assert int(upright[:, 18:].max()) < 50


@pytest.mark.filterwarnings("ignore")  # pytest puts its own filters in place of those of the module
@pytest.mark.parametrize("exif", [b"garbage", b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x05\0\0\0\x01\0\0\0\0"])
def test_exif_that_is_broken_costs_no_picture(exif: bytes) -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (6, 5)).save(buffer, "JPEG", exif=b"Exif\0\0" + exif)
    assert decode(buffer.getvalue()).shape == (3, 5, 6)


@pytest.mark.parametrize("data", [b"", b"hello, I am a text", encoded("PNG")[:-30], encoded("JPEG")[:200]])
def test_what_is_no_whole_picture_is_refused(data: bytes) -> None:
    with pytest.raises(NotAPicture):
        decode(data)


def test_a_huge_picture_is_refused_by_its_header_alone() -> None:
    with pytest.raises(PictureTooLarge, match="10000 x 10000 pixels"):
        decode(png_header(10_000, 10_000))
    with pytest.raises(PictureTooLarge):
        decode(png_header(2**31 - 1, 2**31 - 1))


def test_a_picture_at_the_limit_is_taken() -> None:
    assert decode(encoded("PNG"), max_pixels=30).shape == (3, 5, 6)
    with pytest.raises(PictureTooLarge):
        decode(encoded("PNG"), max_pixels=29)


def test_values_are_normalised_per_channel() -> None:
    tensor = preprocess(torch.full((3, 9, 7), 255, dtype=torch.uint8), SPEC)
    assert (tensor.dtype, tuple(tensor.shape)) == (torch.float32, (3, 4, 4))
    assert tensor[:, 0, 0].tolist() == [2.0, 1.0, 0.5]


def test_the_cut_is_from_the_centre_of_the_shorter_side() -> None:
    picture = torch.zeros(3, 4, 12, dtype=torch.uint8)
    picture[:, :, 4:8] = 255
    assert preprocess(picture, SPEC)[0].eq(2.0).all()


@pytest.mark.parametrize(("height", "width", "becomes"), [(1, 65535, "14679840 x 224"), (65535, 1, "224 x 14679840")])
def test_a_narrow_picture_is_refused_by_the_size_it_would_become(height: int, width: int, becomes: str) -> None:
    spec = replace(SPEC, size=(224, 224), resize=224)
    with pytest.raises(PictureTooLarge, match=f"{width} x {height} pixels become {becomes}"):
        preprocess(torch.zeros(3, height, width, dtype=torch.uint8), spec)
    assert preprocess(torch.zeros(3, height // 400 + 1, width // 400 + 1, dtype=torch.uint8), spec).shape == (
        3,
        224,
        224,
    )


def with_chunk(kind: bytes, body: bytes, crc: bytes | None = None) -> bytes:
    """A PNG with one chunk more before its pixels; the checksum is wrong unless it is computed."""
    png = encoded("PNG")
    checksum = zlib.crc32(kind + body).to_bytes(4, "big") if crc is None else crc
    return png[:33] + len(body).to_bytes(4, "big") + kind + body + checksum + png[33:]


def test_a_chunk_that_says_nothing_of_the_pixels_may_stand_in_a_png() -> None:
    assert decode(with_chunk(b"tEXt", b"Comment\0hi")).shape == (3, 5, 6)


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (with_chunk(b"tEXt", b"Comment\0hi", b"\0\0\0\0"), "a broken PNG: .*tEXt"),
        (with_chunk(b"pHYs", b"123", b"abcd"), "a broken PNG"),
        (encoded("PNG")[:20], "a broken PNG"),
        (b"\xff\xd8\xff\xe0" + b"x" * 9, "a broken JPEG"),
        (b"GIF89a", "a broken GIF"),
        (b"RIFF\x10\0\0\0WEBPxxxx", "a broken WEBP"),
        (b"RIFF\x10\0\0\0WAVEfmt ", "not one of JPEG, PNG, WEBP, BMP, GIF: 16 bytes that begin with 52 49 46 46"),
        (b"", "begin with nothing"),
    ],
    ids=["tEXt", "pHYs", "cut PNG", "JPEG", "GIF", "WEBP", "WAVE", "empty"],
)
def test_a_broken_picture_is_called_by_its_format_and_what_is_none_by_its_beginning(data: bytes, said: str) -> None:
    with pytest.raises(NotAPicture, match=said):
        decode(data)
