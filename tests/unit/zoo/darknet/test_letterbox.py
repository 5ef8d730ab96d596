import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.zoo.darknet.pictures import fitted_size, letterbox, resize


def test_a_picture_of_the_inputs_size_is_only_scaled_to_0_to_1() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
    np.testing.assert_allclose(letterbox(picture, 8, 8), picture.transpose(2, 0, 1) / 255, atol=1e-6)


def test_a_wide_picture_lies_between_grey_bars() -> None:
    framed = letterbox(np.full((10, 20, 3), 255, np.uint8), 16, 16)
    assert (framed[:, :4] == 0.5).all()
    assert (framed[:, 12:] == 0.5).all()
    np.testing.assert_allclose(framed[:, 4:12], 1, atol=1e-6)


def test_corners_stay_corners_and_the_middle_is_between() -> None:
    planes = np.array([[[0, 1], [2, 3]]], np.float32)
    np.testing.assert_allclose(resize(planes, 3, 3)[0], [[0, 0.5, 1], [1, 1.5, 2], [2, 2.5, 3]])


@given(*[st.integers(1, 400)] * 4)
def test_what_is_fitted_fits_and_touches_a_side(height: int, width: int, rows: int, columns: int) -> None:
    inner_height, inner_width = fitted_size(height, width, rows, columns)
    assert 1 <= inner_height <= rows
    assert 1 <= inner_width <= columns
    assert inner_height == rows or inner_width == columns


@pytest.mark.parametrize("size", [(1, 1), (1, 30), (30, 1), (2, 500)])
def test_thin_pictures_are_framed_too(size: tuple[int, int]) -> None:
    framed = letterbox(np.full((*size, 3), 51, np.uint8), 32, 64)
    assert framed.shape == (3, 32, 64)
    assert framed.dtype == np.float32
    assert np.isclose(framed, 0.2).any()
    assert (np.isclose(framed, 0.2) | (framed == 0.5)).all()
