"""Each layer in both precisions on both inputs: where an error is made, and where it is only passed on."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor

from quant.affine import Value, as_float
from quant.engine import Engine
from quant.graph import INPUT
from quant.statistics import sqnr_db


@dataclass(frozen=True)
class Crossing:
    """One layer's errors as signal to noise in dB: high is good, and NO_NOISE_DB is none.

    Attributes:
        own_db: the layer in integers on the float input, against float on the float input: what it adds itself.
        inherited_db: the layer in float on the integer run's input, against the same: what it was given.
        total_db: the layer in integers on the integer run's input: what it passes on.
    """

    layer: str
    precision: str
    own_db: float
    inherited_db: float
    total_db: float


@dataclass(frozen=True, eq=False)
class FourOutputs:
    """One layer's values, float32 [N, C, H, W]; the first letter is the input's precision, the second the layer's.

    `fi`: the layer in integers on the float input, coded; `if_`: the layer in float on the integer run's, decoded.
    """

    layer: str
    ff: Tensor
    fi: Tensor
    if_: Tensor
    ii: Tensor


def cross(float_engine: Engine, integer_engine: Engine, x: Tensor) -> Iterator[Crossing]:
    """Cross every layer, in order; memory holds what is still to be read, not the whole run.

    Args:
        float_engine, integer_engine: of the same graph under two plans.
        x: [N, C, H, W], float32.
    Raises:
        WrongShape: x does not have the graph's input shape.
    """
    for four in four_outputs(float_engine, integer_engine, x):
        precision = integer_engine.plan[four.layer].value
        errors = (sqnr_db(four.ff, found) for found in (four.fi, four.if_, four.ii))
        yield Crossing(four.layer, precision, *errors)


def cross_layer(float_engine: Engine, integer_engine: Engine, x: Tensor, layer: str) -> FourOutputs:
    """The four outputs of one layer.

    Raises:
        LayerNotFound: no layer of that name.
        WrongShape: x does not have the graph's input shape.
    """
    float_engine.graph.index(layer)
    return next(four for four in four_outputs(float_engine, integer_engine, x, layer) if four.layer == layer)


def four_outputs(
    float_engine: Engine, integer_engine: Engine, x: Tensor, only: str | None = None
) -> Iterator[FourOutputs]:
    """Run both engines side by side, every layer also on the other's input; with `only`, that layer alone is yielded.

    Raises:
        WrongShape: x does not have the graph's input shape.
    """
    readers_left = Counter(name for layer in float_engine.graph.layers for name in layer.inputs)
    floats: dict[str, Value] = {INPUT: float_engine.enter(x)}
    integers: dict[str, Value] = {INPUT: integer_engine.enter(x)}
    for in_float, in_integers in zip(float_engine.layers, integer_engine.layers, strict=True):
        name, sources = in_float.name, in_float.layer.inputs
        float_inputs = [floats[source] for source in sources]
        integer_inputs = [integers[source] for source in sources]
        floats[name] = in_float.run(*float_inputs)
        integers[name] = in_integers.run(*integer_inputs)
        if only in (None, name):
            crossed = in_integers.run(*float_inputs), in_float.run(*integer_inputs)
            yield FourOutputs(name, *map(as_float, (floats[name], *crossed, integers[name])))
        for source in sources:
            readers_left[source] -= 1
            if not readers_left[source]:
                del floats[source], integers[source]
