"""Codes and values: the nearest code, half to even, clipped, and back."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from quant.affine import QParams, Quantised, as_codes, dequantise, quantise, quantise_planes
from quant.errors import InvalidScale

scales = st.floats(2.0**-20, 2.0**10)
zero_points = st.integers(0, 255)


@given(scale=scales, zero_point=zero_points)
def test_every_code_comes_back_as_itself(scale: float, zero_point: int) -> None:
    codes = torch.arange(256, dtype=torch.uint8)
    qparams = QParams(scale, zero_point)
    assert torch.equal(quantise(dequantise(codes, qparams), qparams), codes)


@given(scale=scales, zero_point=zero_points, position=st.floats(-300, 300))
def test_a_value_gets_the_nearest_code_or_the_outermost(scale: float, zero_point: int, position: float) -> None:
    x = torch.tensor([position * scale], dtype=torch.float32)
    code = int(quantise(x, QParams(scale, zero_point)))
    exact = min(255.0, max(0.0, float(x) / scale + zero_point))
    assert abs(code - exact) <= 0.5 + 1e-4


@pytest.mark.parametrize("memory_format", [torch.contiguous_format, torch.channels_last])
def test_planes_get_the_same_codes_channels_last(memory_format: torch.memory_format) -> None:
    x = (torch.randn(2, 3, 5, 7) * 3).contiguous(memory_format=memory_format)
    meaning = QParams(0.03, 77)
    codes = quantise_planes(x, meaning)
    assert codes.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(codes, quantise(x, meaning))


def test_a_value_between_two_codes_gets_the_even_one() -> None:
    assert quantise(torch.tensor([0.5, 1.5, 2.5, 3.5]), QParams(1.0, 0)).tolist() == [0, 2, 2, 4]


def test_values_far_outside_are_clipped() -> None:
    x = torch.tensor([-1e30, -1e8, 1e8, 1e30])
    assert quantise(x, QParams(0.1, 7)).tolist() == [0, 0, 255, 255]


@given(low=st.floats(-1e6, 1e6), width=st.floats(0, 1e6))
def test_zero_always_has_a_code_of_its_own(low: float, width: float) -> None:
    qparams = QParams.of_range(low, low + width)
    assert float(dequantise(torch.tensor([qparams.zero_point], dtype=torch.uint8), qparams)) == 0.0


def test_a_range_whose_zero_falls_between_two_codes_gets_the_nearest() -> None:
    assert [QParams.of_range(low, low + 255).zero_point for low in (-100.4, -100.6)] == [100, 101]


def test_an_empty_range_has_scale_one() -> None:
    assert QParams.of_range(0.0, 0.0) == QParams(1.0, 0)


@pytest.mark.parametrize(
    ("scale", "zero_point"), [(0.0, 0), (-1.0, 0), (float("nan"), 0), (float("inf"), 0), (1.0, -1), (1.0, 256)]
)
def test_a_meaningless_scale_is_refused(scale: float, zero_point: int) -> None:
    with pytest.raises(InvalidScale, match="must be"):
        QParams(scale, zero_point)


def test_codes_of_another_meaning_are_coded_anew() -> None:
    value = Quantised(torch.tensor([10, 20], dtype=torch.uint8), QParams(0.5, 0))
    assert as_codes(value, QParams(0.5, 0)) is value.codes
    assert as_codes(value, QParams(0.25, 100)).tolist() == [120, 140]
