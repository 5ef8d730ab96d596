"""What the process puts together."""

import io
from collections.abc import Iterator

import pytest
import torch
from PIL import Image

from services.zoo.manifest import InputSpec
from services.zoo.serving import read_picture


@pytest.fixture
def two_threads() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("two_threads")
def test_pictures_are_read_on_no_more_threads_than_the_process_may_keep_busy() -> None:
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, "PNG")
    spec = InputSpec((4, 4), 4, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")
    assert read_picture(spec, 1, file.getvalue()).shape == (3, 4, 4)
    assert torch.get_num_threads() == 1
