"""What a cross says: one layer is the matter, or many small errors are."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from quant.decibels import NO_NOISE_DB

_ONE_LAYER = 0.5
"""Above this share of all the noise that layers add themselves, one of them is the matter."""
_FIRST = 5


class CrossedLayer(Protocol):
    """A layer's errors in dB, as `quant.crossing.Crossing` has them."""

    @property
    def layer(self) -> str: ...
    @property
    def precision(self) -> str: ...
    @property
    def own_db(self) -> float: ...
    @property
    def inherited_db(self) -> float: ...
    @property
    def total_db(self) -> float: ...


@dataclass(frozen=True)
class Diagnosis:
    """What is wrong and what to do.

    Attributes:
        shares: by layer, of the noise that layers add themselves, each relative to its own signal; 0 to 1.
        worst: the layer to look at first; empty where everything is exact.
    """

    words: str
    shares: dict[str, float]
    worst: str = ""


def diagnose(rows: Sequence[CrossedLayer]) -> Diagnosis:
    """Say which layers lose what integers lose."""
    noises = {row.layer: 0.0 if row.own_db >= NO_NOISE_DB else 10 ** (-row.own_db / 10) for row in rows}
    noise = sum(noises.values())
    if not noise:
        return Diagnosis("Integers lose nothing: every layer is exact.", noises)
    shares = {layer: each / noise for layer, each in noises.items()}
    ordered = sorted(shares, key=lambda layer: -shares[layer])
    worst, first = ordered[0], ordered[:_FIRST]
    if shares[worst] > _ONE_LAYER:
        words = (
            f"One bad layer: {worst} adds {shares[worst]:.0%} of the error by itself. "
            "Step there and let it run in float, or look whether its range or a scale is wrong."
        )
    else:
        words = (
            f"Diffuse: no layer adds more than {shares[worst]:.0%} of the error; "
            f"the worst {len(first)} add {sum(map(shares.__getitem__, first)):.0%} together. "
            "Calibrate on more pictures, or try hybrid or auto, before changing single layers."
        )
    return Diagnosis(words, shares, worst)
