"""Fuzz the weights reader: any bytes are either a network's weights, written back byte for byte, or a typed error."""

import io
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

import atheris
import torch  # noqa: F401  # not ours to instrument, so loaded before

with atheris.instrument_imports(include=["services.zoo.darknet"]):
    from services.edge.errors import InvalidWeights
    from services.zoo.darknet.build import build_model
    from services.zoo.darknet.cfg import parse_cfg
    from services.zoo.darknet.layers import read_network
    from services.zoo.darknet.random_weights import random_weights
    from services.zoo.darknet.weights import Weights, WeightsHeader, parse_weights, write_weights

NETWORK = read_network(
    parse_cfg(
        "[net]\nwidth=4\nheight=4\nchannels=2\n"
        "[convolutional]\nfilters=2\nsize=1\nbatch_normalize=1\nactivation=leaky\n"
        "[convolutional]\nfilters=3\nsize=1\nactivation=linear\n"
    )
)


def read_one(data: bytes) -> None:
    """What libFuzzer calls with each input."""
    try:
        weights = parse_weights(data, NETWORK)
    except InvalidWeights:
        return
    stream = io.BytesIO()
    write_weights(stream, NETWORK, weights)
    assert stream.getvalue() == data
    with suppress(InvalidWeights):
        build_model(NETWORK, weights)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        for header in (WeightsHeader(), WeightsHeader(minor=1, seen=7), WeightsHeader(major=1001, seen=32_013_312)):
            with (Path(corpus) / f"v{header.major}_{header.minor}").open("wb") as stream:
                write_weights(stream, NETWORK, Weights(header, random_weights(NETWORK, seed=0).convolutions))
        atheris.Setup([*sys.argv, "-max_len=256", corpus], read_one)
        atheris.Fuzz()
