"""What each layer costs in each precision: in time, and in the outputs."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from quant.affine import Value, as_float, quantise
from quant.engine import Engine
from quant.graph import INPUT
from quant.plan_choice import Clock, best_layer_seconds
from quant.precision import Precision
from quant.scales import Calibration


@dataclass(frozen=True)
class LayerCost:
    """One layer in one precision.

    Attributes:
        seconds: of one run, on values stored as this precision takes them.
        noise: what the layer alone, all others in float, does to the outputs: the power of their error over that of
            the outputs, the mean over pictures and outputs.
    """

    seconds: float
    noise: float


Costs = Mapping[str, Mapping[Precision, LayerCost]]
"""Of each layer, by precision; float is always there, and without noise."""


def measure_costs(
    in_float: Engine, others: Sequence[Engine], inputs: Sequence[Tensor], clock: Clock, rounds: int = 5
) -> dict[str, dict[Precision, LayerCost]]:
    """Measure every layer in float and in the precision that each other engine's plan gives it.

    Args:
        others: of the same graph, such as HYBRID and INT8.
        inputs: [1, C, H, W] each; the first is timed, all are compared.
    """
    best = best_layer_seconds((in_float, *others), inputs[0], clock, rounds)
    costs = {name: {Precision.FLOAT: LayerCost(seconds, 0.0)} for name, seconds in best[0].items()}
    for engine, seconds in zip(others, best[1:], strict=True):
        for name, noise in noise_of_layers(in_float, engine, inputs).items():
            costs[name][engine.plan[name]] = LayerCost(seconds[name], noise)
    return costs


def measure_conversions(in_float: Engine, calibration: Calibration, x: Tensor, clock: Clock) -> dict[str, float]:
    """Seconds to code each value that has codes, the best of three."""
    found: dict[str, float] = {}
    for name, value in _float_values(in_float, x).items():
        if name in calibration.values:
            qparams = calibration.of_value(name)
            found[name] = min(_timed(partial(quantise, value, qparams), clock) for _ in range(3))
    return found


def noise_of_layers(in_float: Engine, engine: Engine, inputs: Iterable[Tensor]) -> dict[str, float]:
    """Of each layer that `engine` does not run in float, what it alone does to the outputs; see `LayerCost.noise`."""
    powers: dict[str, list[float]] = {}
    for x in inputs:
        values = _float_values(in_float, x)
        for position, prepared in enumerate(engine.layers):
            if prepared.precision is not Precision.FLOAT:
                own = as_float(prepared.run(*(values[name] for name in prepared.layer.inputs)))
                powers.setdefault(prepared.name, []).append(_outcome(in_float, values, position, own))
    return {name: sum(each) / len(each) for name, each in powers.items()}


def _outcome(in_float: Engine, values: Mapping[str, Tensor], position: int, own: Tensor) -> float:
    """The outputs' error where the value of one layer is `own` and everything behind it is float."""
    changed: dict[str, Value] = {in_float.layers[position].name: own}
    for prepared in in_float.layers[position + 1 :]:
        sources = prepared.layer.inputs
        if any(name in changed for name in sources):
            changed[prepared.name] = prepared.run(*(changed.get(name, values[name]) for name in sources))
    outputs = in_float.graph.outputs
    errors = [
        _power(as_float(changed[name]) - values[name]) / _power(values[name]) for name in outputs if name in changed
    ]
    return sum(errors) / len(outputs)


def _power(value: Tensor) -> float:
    return max(float(value.square().mean()), 1e-30)


def _float_values(in_float: Engine, x: Tensor) -> dict[str, Tensor]:
    layers = {prepared.name: as_float(value) for prepared, value in in_float.values(x)}
    return {INPUT: as_float(in_float.enter(x)), **layers}


def _timed(act: Callable[[], object], clock: Clock) -> float:
    started = clock()
    act()
    return clock() - started
