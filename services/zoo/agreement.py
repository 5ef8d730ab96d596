"""How far two forms of one network may differ, and what each owes to a picture: an answer that is its own.

Two runtimes multiply the same numbers and add them up in orders of their own, so each rounds differently. How much that
moves the scores is a property of the network: random weights in many layers move them by 1e-4 of the largest, trained
ones by 1e-6. So it is measured: every weight and pixel is moved to one of its two neighbours among the float32 numbers,
at random, and the scores are computed again. That is one rounding a product. A sum of n of them rounds sqrt(n) times as
much (N. Higham, T. Mary, "A new approach to probabilistic rounding error analysis", 2019: with high probability an
error grows as the square root of n, in whatever order); kernels keep 8 to 64 partial sums side by side, so what runs
one after the other is a few hundred terms, and sqrt(256) = 16. The next narrower formats that a runtime could take
instead, float16 and TF32, round 2^13 = 8192 times as much.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from services.edge.errors import Unsupported

Images: TypeAlias = NDArray[np.float32]
Forward: TypeAlias = Callable[[Images], Images]

ROUNDINGS = 16
"""How much further apart two forms may be than one rounding a product puts them."""
UNIT = 2.0**-24
"""The largest relative error of one rounding to float32."""
REPEATED = 2.0**-16
"""Of the largest score: what one code may answer differently to the same numbers. Matrix products may sum in another
order where their memory is aligned otherwise; a program that draws numbers must not pass for one that rounds."""
SHAKES = 2
_EVALUATE = "export the module in evaluation mode: module.eval()"


def shaken(values: Images, random: np.random.Generator) -> Images:
    """Each value moved to the next float32 above or below it."""
    up = random.random(values.shape) < 0.5
    return np.asarray(np.nextafter(values, np.where(up, np.float32(np.inf), np.float32(-np.inf))), np.float32)


def allowed_difference(scores: Images, moved: Sequence[Images]) -> float:
    """The largest difference between two forms' scores that rounding explains.

    Args:
        scores: [N, K]; scores smaller than 1 are held to what is allowed at 1.
        moved: [N, K] each; the scores of the same network with weights and pixels shaken.
    """
    rounding = max(difference(each, scores) for each in moved)
    return ROUNDINGS * max(rounding, UNIT * _largest(scores))


def _largest(scores: Images) -> float:
    return max(1.0, float(np.abs(scores).max()))


def difference(first: Images, second: Images) -> float:
    """The largest difference of two arrays of scores."""
    return float(np.abs(first - second).max())


@dataclass(frozen=True, eq=False)
class Reference:
    """The scores [N, K] that a program's forms are held to, and how far from them rounding may put a form."""

    runtime: str
    scores: Images
    allowed: float

    def check(self, runtime: str, forward: Forward, scores: Images, images: Images) -> None:
        """Raises Unsupported where a form computes something else than the network, or not for each picture alone."""
        apart = difference(scores, self.scores)
        if not apart <= self.allowed:
            raise Unsupported(
                f"scores of {runtime} differ from {self.runtime}'s by {apart:.2g}; "
                f"rounding to float32 explains {self.allowed:.2g} in this network"
            )
        demand_same_again(forward, images, scores)
        demand_own_answers(forward, images, scores, self.allowed)


def demand_same_again(forward: Forward, images: Images, scores: Images) -> None:
    """Ask for the same pictures again. Raises Unsupported where the scores change from call to call."""
    apart = difference(forward(images), scores)
    if not apart <= REPEATED * _largest(scores):
        raise Unsupported(
            f"the same pictures asked twice get scores that differ by {apart:.2g}: the program draws random numbers or "
            f"keeps a state; {_EVALUATE}"
        )


def demand_own_answers(forward: Forward, images: Images, scores: Images, allowed: float) -> None:
    """Ask for each picture alone.

    Args:
        scores: what `forward` answered for all of them together.
    Raises:
        Unsupported: a picture's scores depend on those beside it.
    """
    alone = np.concatenate([forward(images[index : index + 1]) for index in range(len(images))])
    apart = difference(alone, scores)
    if not apart <= allowed:
        raise Unsupported(
            f"a picture alone gets scores that differ by {apart:.2g} from those it gets beside another: the program "
            f"normalises by the batch, or mixes pictures otherwise; {_EVALUATE}"
        )
