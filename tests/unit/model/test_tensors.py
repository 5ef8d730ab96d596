"""Tensors and their raw form."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from services.edge.errors import BatchTooLarge, DtypeMismatch, ShapeMismatch
from services.model.tensors import BYTES, DTYPES, Tensor


@given(
    st.sampled_from(sorted(DTYPES)).flatmap(lambda name: arrays.arrays(DTYPES[name], arrays.array_shapes(min_side=0)))
)
def test_numbers_survive_the_raw_form_bit_for_bit(values: np.ndarray) -> None:
    tensor = Tensor.of("t", values)
    again = Tensor.from_raw("t", tensor.datatype, tensor.shape, tensor.to_raw())
    assert isinstance(again.values, np.ndarray)
    assert again.values.tobytes() == values.tobytes()
    assert (again.values.dtype, again.values.shape) == (values.dtype, values.shape)


@given(st.lists(st.binary()))
def test_elements_survive_the_raw_form(elements: list[bytes]) -> None:
    tensor = Tensor.from_elements("t", [len(elements)], elements)
    assert Tensor.from_raw("t", BYTES, [len(elements)], tensor.to_raw()).values == elements


def test_numbers_are_looked_at_in_place() -> None:
    raw = np.arange(6, dtype="<f4").tobytes()
    values = Tensor.from_raw("t", "FP32", [2, 3], raw).values
    assert isinstance(values, np.ndarray)
    assert np.shares_memory(values, np.frombuffer(raw, np.uint8))


def test_a_transposed_array_is_written_row_by_row() -> None:
    values = np.arange(6, dtype=np.float32).reshape(2, 3).T
    assert Tensor.of("t", values).to_raw() == np.array([0, 3, 1, 4, 2, 5], "<f4").tobytes()


@pytest.mark.parametrize(
    ("datatype", "shape", "raw", "message"),
    [
        ("FP32", [2], b"1234567", "7 bytes, but shape \\[2\\] of FP32 takes 8"),
        ("FP32", [-1, -1], b"1234", "axis that is negative"),
        ("FP32", [1] * 65, b"1234", "a shape of 65 axes; it has at most 64"),
        ("FP32", [0, 2**62, 2**62], b"", "no array has shape"),
        ("FP32", [0, 10**30], b"", "beyond 64 bits"),
        (BYTES, [1], b"\x01\x00", "cut short in the length of element 0"),
        (BYTES, [2], struct.pack("<I", 1) + b"a" + struct.pack("<I", 9) + b"b", "cut short in element 1"),
        (BYTES, [2], struct.pack("<I", 1) + b"a", "1 elements, but shape \\[2\\] takes 2"),
        (BYTES, [3], bytes(16), "more than the 3 elements"),
    ],
)
def test_raw_bytes_that_do_not_fit_the_shape_are_refused(
    datatype: str, shape: list[int], raw: bytes, message: str
) -> None:
    with pytest.raises(ShapeMismatch, match=message):
        Tensor.from_raw("t", datatype, shape, raw)


@pytest.mark.parametrize("shape", [[1] * 65, [0, 2**62, 2**62], [0, 10**30]])
def test_numbers_of_a_shape_that_no_array_has_are_refused(shape: list[int]) -> None:
    with pytest.raises(ShapeMismatch, match="'t'"):
        Tensor.from_numbers("t", "FP32", shape, [1.0] * min(shape))


def test_millions_of_elements_are_refused_by_the_shape_alone() -> None:
    with pytest.raises(BatchTooLarge, match="at most 65536"):
        Tensor.from_raw("t", BYTES, [2**24], bytes(2**26))


def test_an_unknown_datatype_is_named_with_those_there_are() -> None:
    with pytest.raises(DtypeMismatch, match="'t': datatype 'FP8' is not one of BOOL, UINT8"):
        Tensor.from_raw("t", "FP8", [1], b"1")


@pytest.mark.parametrize(
    ("datatype", "numbers", "error"),
    [
        ("FP32", [[1.0, 2.0], [3.0]], ShapeMismatch),
        ("FP32", ["a", "b"], ShapeMismatch),
        ("FP32", [1.0], ShapeMismatch),
        ("UINT8", [1, 300], DtypeMismatch),
    ],
)
def test_numbers_that_make_no_such_array_are_refused(datatype: str, numbers: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="'t'"):
        Tensor.from_numbers("t", datatype, [2], numbers)
