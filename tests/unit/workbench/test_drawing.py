"""Pictures for people."""

from io import BytesIO

import numpy as np
import pytest
import torch

from services.workbench.drawing import draw_boxes, draw_grey
from services.workbench.engine_model import EngineModel
from services.workbench.pictures import DecodedPicture
from services.zoo.detection import Detection
from tests.unit.workbench.commands import pixels


@pytest.mark.parametrize("x", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("y", [0.0, 0.5, 1.0])
def test_a_boxs_name_stands_whole_in_the_picture_on_its_own_ground(model: EngineModel, x: float, y: float) -> None:
    picture = DecodedPicture("black", torch.zeros(3, 96, 128, dtype=torch.uint8))
    drawn = pixels(BytesIO(draw_boxes(model, picture, [Detection(1, 0.5, x, y, 0.2, 0.2)])))
    white = (drawn > 200).all(-1)
    rows, columns = np.nonzero(white)
    assert np.ptp(columns) > 45  # "square 50%", seven letters of which the widest is 6 pixels
    ground = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert ground.any(-1).all(), "the name's ground lets the picture through"


def test_a_box_over_the_whole_picture_of_one_pixel_is_drawn(model: EngineModel) -> None:
    picture = DecodedPicture("black", torch.zeros(3, 1, 1, dtype=torch.uint8))
    drawn = draw_boxes(model, picture, [Detection(0, 0.5, 0.5, 0.5, 1, 1)])
    assert pixels(BytesIO(drawn)).shape == (1, 1, 3)


def test_a_small_grey_picture_is_written_with_pixels_as_squares() -> None:
    picture = torch.arange(12, dtype=torch.uint8).view(3, 4)
    drawn = pixels(BytesIO(draw_grey(picture)))
    assert drawn.shape == (3 * 128, 4 * 128)
    assert np.array_equal(drawn[64::128, 64::128], picture.numpy())
    large = torch.zeros(600, 10, dtype=torch.uint8)
    assert pixels(BytesIO(draw_grey(large))).shape == (600, 10)
