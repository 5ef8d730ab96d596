"""Figures about values, against the plain definitions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from quant.decibels import NO_NOISE_DB
from quant.statistics import (
    VECTOR_SIDE,
    cosine,
    count_clipped,
    count_codes,
    describe,
    describe_codes,
    evenly,
    sqnr_db,
    tile_channels,
)


def feature_map(seed: int = 0) -> torch.Tensor:
    x = torch.randn(2, 6, 9, 7, generator=torch.Generator().manual_seed(seed)).relu() * 3
    return x.contiguous(memory_format=torch.channels_last)


def test_float_statistics_are_those_of_numpy() -> None:
    x = feature_map()
    found, values = describe(x), x.numpy().astype(np.float64)
    assert (found.low, found.high) == (values.min(), values.max())
    assert found.mean == pytest.approx(values.mean(), rel=1e-6)
    assert found.std == pytest.approx(values.std(), rel=1e-6)
    assert found.zero_fraction == (values == 0).mean()
    assert found.clipped is None


@pytest.mark.parametrize("most", [1e15, 1e30, 3e38])
def test_an_element_whose_square_lies_beyond_float32_leaves_the_statistics_finite(most: float) -> None:
    x = feature_map()
    x[0, 0, 0, :2] = torch.tensor([most, -most])
    found, values = describe(x), x.numpy().astype(np.float64)
    assert found.std == pytest.approx(values.std(), rel=1e-6)
    assert found.mean == pytest.approx(values.mean(), abs=1e-6 * most)


@pytest.mark.parametrize("zero_point", [0, 31, 255])
def test_code_statistics_are_those_of_the_dequantised_tensor(zero_point: int) -> None:
    codes = torch.randint(0, 256, (1, 6, 9, 7), generator=torch.Generator().manual_seed(1)).to(torch.uint8)
    found = describe_codes(count_codes(codes), 0.25, zero_point, 3)
    assert found.clipped == 3
    wanted = describe((codes.float() - zero_point) * 0.25)
    assert (found.low, found.high, found.zero_fraction) == (wanted.low, wanted.high, wanted.zero_fraction)
    assert (found.mean, found.std) == pytest.approx((wanted.mean, wanted.std), rel=1e-5)


def test_clipped_is_what_lies_more_than_half_a_code_beyond_the_ends() -> None:
    low, high = -1.0, 1.55  # codes are 0.01 apart
    x = torch.tensor([[-1.006, -1.004, -1.0], [1.55, 1.554, 1.556]])
    assert count_clipped(x, low, high) == 2


def test_sqnr_of_one_percent_error_is_40_db() -> None:
    x = feature_map()
    assert sqnr_db(x, x * 1.01) == pytest.approx(40, abs=1e-3)
    assert sqnr_db(x, x) == NO_NOISE_DB
    assert sqnr_db(torch.zeros(3), torch.ones(3)) == -NO_NOISE_DB


@pytest.mark.parametrize("found", [1e-30, 1e30, float("inf"), float("nan")])
def test_sqnr_is_a_number_for_values_beyond_float32s_squares(found: float) -> None:
    x = torch.full((4,), found)
    assert -NO_NOISE_DB <= sqnr_db(torch.ones(4), x) <= 0.1
    assert sqnr_db(torch.full((4,), 1e30), torch.full((4,), 1.01e30)) == pytest.approx(40, abs=1e-3)


def test_cosine_ignores_size_and_sees_direction() -> None:
    x = feature_map()
    assert cosine(x, x * 7) == pytest.approx(1, abs=1e-6)
    assert cosine(x, -x) == pytest.approx(-1, abs=1e-6)
    assert cosine(torch.zeros(2), torch.zeros(2)) == 1


def test_cosine_of_many_numbers_is_exact_where_float32_would_round_over_1() -> None:
    wanted = torch.rand(1 << 20, generator=torch.Generator().manual_seed(0)) + 100
    found = wanted + 1e-3
    exact = torch.nn.functional.cosine_similarity(wanted.double(), found.double(), dim=0)
    assert cosine(wanted, found) == pytest.approx(float(exact), abs=1e-12)
    assert cosine(wanted, wanted) <= 1 + 1e-12


@pytest.mark.parametrize("share", range(1, 16))
@pytest.mark.parametrize("channels", [1, 3, 15, 64, 112])
def test_even_sample_takes_every_channel_and_the_same_elements_each_time(channels: int, share: int) -> None:
    channel = torch.arange(float(channels)).view(1, channels, 1, 1).expand(1, channels, 50, 50)
    limit = channel.numel() // share
    sample = evenly(channel, limit)
    assert limit / 4 <= sample.numel() <= limit
    counts = torch.bincount(sample.long(), minlength=channels)
    assert counts.min() >= counts.max() - 1 > 0
    assert torch.equal(sample, evenly(channel.contiguous(memory_format=torch.channels_last), limit))
    assert torch.equal(evenly(channel.mean((2, 3)).expand(2500, channels), limit), sample)


def test_tiles_show_each_channel_stretched_and_in_its_place() -> None:
    x = torch.arange(5 * 2 * 3.0).view(5, 2, 3)
    x[3] = 4.0
    sheet = tile_channels(x)
    assert sheet.shape == (2 * 3 - 1, 3 * 4 - 1)
    assert sheet[:2, 4:7].tolist() == [[0, 51, 102], [153, 204, 255]]
    assert sheet[3:, :3].eq(128).all()
    assert sheet[2].eq(0).all()


def test_tiles_over_a_given_span_show_all_channels_alike() -> None:
    sheet = tile_channels(torch.tensor([0.0, 0.5, 1.0, 2.0]).view(2, 1, 2), span=(0.0, 2.0))
    assert sheet.tolist() == [[0, 64, 0, 128, 255]]


@pytest.mark.parametrize("shape", [(10,), (10, 1, 1)], ids=["a vector", "maps of one pixel"])
def test_channels_of_one_number_are_squares_over_the_range_of_all(shape: tuple[int, ...]) -> None:
    sheet = tile_channels(torch.arange(10.0).view(shape))
    side = VECTOR_SIDE + 1
    assert sheet.shape == (3 * side - 1, 4 * side - 1)
    shown = [int(sheet[row * side, column * side]) for row in range(3) for column in range(4)]
    assert shown == [*(round(255 * channel / 9) for channel in range(10)), 0, 0]
    assert sheet[:VECTOR_SIDE, side : side + VECTOR_SIDE].eq(shown[1]).all()


@pytest.mark.parametrize(("most_side", "square"), [(0, 1), (23, 1), (22, 2), (12, 3), (5, 6)])
def test_squares_of_a_channel_are_averaged_until_the_picture_fits(most_side: int, square: int) -> None:
    x = torch.rand(4, 6, 11, generator=torch.Generator().manual_seed(0))
    sheet = tile_channels(x, most_side=most_side)
    rows, columns = -(-6 // square), -(-11 // square)
    assert sheet.shape == (2 * rows + 1, 2 * columns + 1)
    assert torch.equal(sheet, tile_channels(F.avg_pool2d(x, square, ceil_mode=True)))
