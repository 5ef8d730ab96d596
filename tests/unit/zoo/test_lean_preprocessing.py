"""Pictures become values to the last bit as torchvision makes them: without torchvision, and without torch."""

import io
import subprocess
import sys

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image
from torchvision.transforms import InterpolationMode, v2

from services.edge.errors import NotAPicture, PictureTooLarge
from services.zoo.lean_preprocessing import read_picture
from services.zoo.manifest import InputSpec
from services.zoo.preprocessing import decode, preprocess

INTEGER_RESIZE = torch.backends.cpu.get_cpu_capability() in ("AVX2", "AVX512")
"""Without, torchvision resizes floats, and one byte may round the other way than on all other processors."""
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIDES = st.integers(1, 200)
MODES = st.sampled_from(["nearest", "bilinear", "bicubic"])


def spec_of(size: tuple[int, int], resize: int, interpolation: str) -> InputSpec:
    return InputSpec(size, resize, MEAN, STD, interpolation)


def encoded(pixels: NDArray[np.uint8]) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, "PNG")
    return buffer.getvalue()


def noise(height: int, width: int, seed: int) -> bytes:
    return encoded(np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8))


def check(data: bytes, spec: InputSpec) -> None:
    picture = decode(data)
    with Image.open(io.BytesIO(data)) as file:
        assert torch.equal(picture, v2.functional.pil_to_tensor(file))
    steps = v2.Compose(
        [
            v2.Resize(spec.resize, InterpolationMode(spec.interpolation), antialias=True),
            v2.CenterCrop(spec.size),
            v2.ToDtype(torch.float32, scale=True),
            v2.Normalize(spec.mean, spec.std),
        ]
    )
    expected = steps(picture).numpy()
    found = preprocess(picture, spec).numpy()
    np.testing.assert_array_equal(preprocess(picture.contiguous(), spec).numpy(), found, strict=True)
    np.testing.assert_array_equal(read_picture(spec, data), found, strict=True)
    assert found.dtype == np.float32
    if INTEGER_RESIZE:
        np.testing.assert_array_equal(found, expected)
    else:
        np.testing.assert_allclose(found, expected, atol=1.01 / 255 / min(STD))


@settings(deadline=None, max_examples=200)
@given(
    height=SIDES,
    width=SIDES,
    size=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    resize=st.integers(1, 96),
    mode=MODES,
    seed=st.integers(0, 9),
)
def test_values_are_torchvisions_to_the_last_bit(
    height: int, width: int, size: tuple[int, int], resize: int, mode: str, seed: int
) -> None:
    check(noise(height, width, seed), spec_of(size, resize, mode))


@pytest.mark.parametrize("mode", ["nearest", "bilinear", "bicubic"])
@pytest.mark.parametrize(("height", "width"), [(375, 500), (1200, 800), (224, 224), (256, 341), (3000, 60)])
def test_photographs_are_too(height: int, width: int, mode: str) -> None:
    check(noise(height, width, 0), spec_of((224, 224), 256, mode))


@pytest.mark.parametrize("value", [0, 1, 127, 254, 255])
def test_an_even_picture_stays_even(value: int) -> None:
    check(encoded(np.full((50, 70, 3), value, np.uint8)), spec_of((32, 32), 40, "bicubic"))


def test_what_cannot_be_a_picture_is_refused_alike() -> None:
    with pytest.raises(NotAPicture):
        read_picture(spec_of((8, 8), 8, "bilinear"), b"nothing")
    with pytest.raises(PictureTooLarge, match="pixels become"):
        read_picture(spec_of((224, 224), 224, "bilinear"), noise(1, 60000, 0))


def test_no_torch_is_imported() -> None:
    program = "import sys, services.zoo.lean_preprocessing as _; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program]).returncode == 0
