"""Values written in each precision come back as near as it allows."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.artifacts.precision import Encoding, Values, decode, encode
from services.edge.errors import Unsupported

SHAPE = (3, 2)
batches = arrays(
    np.float32, st.integers(1, 4).map(lambda count: (count, *SHAPE)), elements=st.floats(-6e4, 6e4, width=32)
)


@given(batches)
def test_float32_is_kept_to_the_last_bit(values: Values) -> None:
    assert np.array_equal(decode(encode(values, Encoding.FLOAT32), SHAPE, Encoding.FLOAT32), values)


@given(batches)
def test_float16_is_within_half_of_its_last_bit(values: Values) -> None:
    found = decode(encode(values, Encoding.FLOAT16), SHAPE, Encoding.FLOAT16)
    assert found.dtype == np.float32
    assert np.array_equal(found, values.astype(np.float16).astype(np.float32))


@given(batches)
def test_int8_is_within_half_a_step_of_each_pictures_own_range(values: Values) -> None:
    found = decode(encode(values, Encoding.INT8), SHAPE, Encoding.INT8)
    assert found.shape == values.shape
    for picture, expected in zip(found, values, strict=True):
        step = (float(expected.max()) - float(expected.min())) / 255
        assert np.abs(picture - expected).max() <= 0.5 * step + 1e-6 * np.abs(expected).max() + 1e-30


def test_int8_takes_a_quarter_and_keeps_zeros_of_what_has_none_below() -> None:
    values = np.maximum(np.random.default_rng(0).standard_normal((4, 8, 6, 6), np.float32), 0)
    content = encode(values, Encoding.INT8)
    assert len(content) == values.size + 4 * 8
    found = decode(content, (8, 6, 6), Encoding.INT8)
    assert (found[values == 0] == 0).all()


@pytest.mark.parametrize("precision", [Encoding.FLOAT16, Encoding.INT8])
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_what_is_not_finite_is_refused(precision: Encoding, value: float) -> None:
    with pytest.raises(Unsupported, match="are not all finite"):
        encode(np.full((1, *SHAPE), value, np.float32), precision)


def test_what_float16_cannot_hold_is_refused_with_its_size() -> None:
    with pytest.raises(Unsupported, match="reach 70000, which float16 does not hold"):
        encode(np.full((1, *SHAPE), 7e4, np.float32), Encoding.FLOAT16)


def test_content_that_is_no_whole_number_of_pictures_is_refused() -> None:
    for precision in Encoding:
        with pytest.raises(ValueError, match=r"pictures|reshape|multiple"):
            decode(b"x" * 13, SHAPE, precision)
