import io
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from services.edge.errors import InvalidWeights
from services.zoo.darknet.cfg import parse_cfg
from services.zoo.darknet.layers import read_network
from services.zoo.darknet.networks import describe
from services.zoo.darknet.random_weights import random_weights
from services.zoo.darknet.weights import Weights, WeightsHeader, parse_weights, read_weights, write_weights

SMALL = read_network(
    parse_cfg(
        "[net]\nwidth=4\nheight=4\nchannels=2\n"
        "[convolutional]\nfilters=2\nsize=3\npad=1\nbatch_normalize=1\nactivation=leaky\n"
        "[maxpool]\nsize=2\nstride=2\n"
        "[convolutional]\nfilters=4\nsize=1\ngroups=2\nactivation=linear\n"
    )
)
FLOATS = 2 * 4 + 2 * 2 * 9 + 4 + 4 * 1


def written(weights: Weights) -> bytes:
    stream = io.BytesIO()
    write_weights(stream, SMALL, weights)
    return stream.getvalue()


def test_the_file_is_header_then_biases_normalisation_weights_of_each_layer() -> None:
    floats = np.arange(1, FLOATS + 1, dtype="<f4")
    weights = parse_weights(struct.pack("<iiiQ", 0, 2, 0, 640) + floats.tobytes(), SMALL)
    first, last = weights.convolutions[0], weights.convolutions[2]
    assert first.normalization is not None
    assert weights.header == WeightsHeader(0, 2, 0, 640)
    assert first.biases.tolist() == [1, 2]
    assert first.normalization.scales.tolist() == [3, 4]
    assert first.normalization.mean.tolist() == [5, 6]
    assert first.normalization.variance.tolist() == [7, 8]
    assert first.weights.shape == (2, 2, 3, 3)
    assert first.weights.ravel().tolist() == list(range(9, 45))
    assert last.normalization is None
    assert last.biases.tolist() == [45, 46, 47, 48]
    assert last.weights.ravel().tolist() == [49, 50, 51, 52]


@given(
    st.sampled_from([(0, 1), (0, 2), (0, 3), (1, 0), (1001, 0), (0, 1001)]),
    st.integers(0, 2**31 - 1),
    arrays("<f4", FLOATS, elements=st.floats(0, 1e6, width=32)),
)
def test_what_was_read_is_written_byte_for_byte(version: tuple[int, int], seen: int, floats: np.ndarray) -> None:
    counter = WeightsHeader(*version).seen_format.pack(seen)
    content = struct.pack("<iii", *version, 5) + counter + floats.tobytes()
    weights = parse_weights(content, SMALL)
    assert weights.header == WeightsHeader(*version, 5, seen)
    assert written(weights) == content


@pytest.mark.parametrize(("version", "bits"), [((0, 1), 32), ((0, 2), 64), ((1, 0), 64), ((1000, 0), 32)])
def test_the_counter_has_64_bits_since_version_0_2(version: tuple[int, int], bits: int) -> None:
    assert WeightsHeader(*version).seen_format.size * 8 == bits


def test_a_file_is_read_as_its_bytes_are(tmp_path: Path) -> None:
    content = written(random_weights(SMALL, seed=1))
    path = tmp_path / "small.weights"
    path.write_bytes(content)
    assert written(read_weights(path, SMALL)) == content


@pytest.mark.parametrize(("change", "fault"), [(-1, "too short"), (-4, "too short"), (4, "too long")])
def test_a_wrong_length_names_expected_and_found_bytes(change: int, fault: str, tmp_path: Path) -> None:
    content = written(random_weights(SMALL, seed=1))
    path = tmp_path / "cut.weights"
    path.write_bytes((content + bytes(4))[: len(content) + change])
    with pytest.raises(
        InvalidWeights, match=f"cut.weights: {fault}.*expected {len(content)} .*found {len(content) + change}"
    ):
        read_weights(path, SMALL)


@pytest.mark.parametrize("size_bytes", [0, 1, 12, 15, 19])
def test_a_file_without_a_whole_header_is_refused(size_bytes: int, tmp_path: Path) -> None:
    path = tmp_path / "stub.weights"
    path.write_bytes(struct.pack("<iiiQ", 0, 2, 0, 0)[:size_bytes])
    with pytest.raises(InvalidWeights, match=r"stub\.weights: (the file is empty|too short)"):
        read_weights(path, SMALL)


def test_a_missing_file_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(InvalidWeights, match=r"none\.weights: cannot be read"):
        read_weights(tmp_path / "none.weights", SMALL)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize(
    ("position", "place"),
    [
        (0, "convolutional_0: biases"),
        (5, "convolutional_0: mean"),
        (8, "convolutional_0: weights"),
        (51, "convolutional_2: weights"),
    ],
)
def test_a_value_that_is_no_number_names_its_layer(bad: float, position: int, place: str) -> None:
    floats = np.ones(FLOATS, "<f4")
    floats[position] = bad
    with pytest.raises(InvalidWeights, match=place):
        parse_weights(struct.pack("<iiiQ", 0, 2, 0, 0) + floats.tobytes(), SMALL)


def test_a_negative_variance_is_refused() -> None:
    floats = np.ones(FLOATS, "<f4")
    floats[6] = -1
    with pytest.raises(InvalidWeights, match="convolutional_0: a variance is negative"):
        parse_weights(struct.pack("<iiiQ", 0, 2, 0, 0) + floats.tobytes(), SMALL)


def test_weights_of_another_network_are_not_written() -> None:
    other = read_network(describe("yolov2-tiny", size=32))
    stream = io.BytesIO()
    with pytest.raises(InvalidWeights, match="convolutional_0: arrays are"):
        write_weights(stream, SMALL, random_weights(other, seed=0))
    with pytest.raises(InvalidWeights, match="convolutional_2: there are no weights"):
        write_weights(stream, SMALL, Weights(WeightsHeader(), {0: random_weights(SMALL, seed=0).convolutions[0]}))
    assert stream.getvalue() == b""


def test_the_same_seed_draws_the_same_weights() -> None:
    assert written(random_weights(SMALL, seed=4)) == written(random_weights(SMALL, seed=4))
    assert written(random_weights(SMALL, seed=4)) != written(random_weights(SMALL, seed=5))
