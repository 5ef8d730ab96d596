"""Fuzz the cfg parser: any text is a typed error or a network that is written and read back to an equal one."""

import sys
import tempfile
from pathlib import Path

import atheris
import torch  # noqa: F401  # not ours to instrument, so loaded before

with atheris.instrument_imports(include=["services.zoo.darknet"]):
    from services.edge.errors import InvalidDeclaration
    from services.zoo.darknet.cfg import parse_cfg, write_cfg
    from services.zoo.darknet.layers import read_network
    from services.zoo.darknet.networks import NAMES, describe


def read_one(data: bytes) -> None:
    """What libFuzzer calls with each input."""
    text = data.decode("utf-8", "replace")
    try:
        sections = parse_cfg(text)
        assert parse_cfg(write_cfg(sections)) == sections
        network = read_network(sections)
    except InvalidDeclaration:
        return
    assert read_network(parse_cfg(write_cfg(sections))) == network


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as corpus:
        for name in NAMES:
            (Path(corpus) / name).write_text(write_cfg(describe(name)))
        atheris.Setup([*sys.argv, "-max_len=4096", corpus], read_one)
        atheris.Fuzz()
