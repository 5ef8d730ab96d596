"""What helps a model that integers spoil: each thing done, measured on the whole model, and kept only if it helps."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from quant.affine import Value
from quant.calibration import calibrate
from quant.crossing import Crossing, cross
from quant.engine import Engine
from quant.graph import INPUT
from quant.observations import Observations
from quant.operations import Weighted
from quant.precision import Precision
from quant.remedies import LEAST_GAIN_DB, find_remedy, misfits
from quant.statistics import sqnr_db
from quant.variant import Variant

WORST_LAYERS = 5
LEAST_MODEL_GAIN_DB = 0.1
"""Of the whole model: less is what a change of the last bits brings about."""
EVERY_LAYER = "all"


@dataclass(frozen=True)
class RemedyRow:
    """What helps one of the worst layers, and what it does to the model's outputs; each comes on top of those before.

    Attributes:
        layer: its name, or EVERY_LAYER.
        action: in words; where nothing is offered, why not.
        before_db, after_db: the layer's own error; of EVERY_LAYER that of the worst.
        model_before_db, model_after_db: of the worst output, over the first pictures.
        offered: it was measured to help the whole model.
    """

    layer: str
    action: str
    before_db: float
    after_db: float
    model_before_db: float
    model_after_db: float
    offered: bool


class Remedies:
    """Finds what helps, from a variant in int8 on.

    Args:
        in_float, in_int8: the model made ready in both.
        observations: what pictures showed, which need not be those of the calibration.
        inputs: [1, C, H, W] each; the whole model is measured on all of them, single layers on the first.
    Attributes:
        rows: what was tried, the worst first.
        variant: the model with all that is offered.
    """

    def __init__(
        self,
        variant: Variant,
        in_float: Engine,
        in_int8: Engine,
        observations: Observations,
        crossings: Sequence[Crossing],
        inputs: Sequence[Tensor],
    ) -> None:
        self.variant, self.rows = variant, list[RemedyRow]()
        self._in_float, self._engine = in_float, in_int8
        self._observations, self._inputs = observations, inputs
        self._wanted = [in_float.run(x) for x in inputs]
        self._model_db = self._measure(in_int8)
        self._try_other_pictures(min((row.own_db for row in crossings), default=0.0))
        if self.rows:
            crossings = list(cross(in_float, self._engine, inputs[0]))
        worst = sorted(filter(self._is_weighted_integer, crossings), key=lambda row: row.own_db)[:WORST_LAYERS]
        values = _inputs_of_layers(in_float, {row.layer for row in worst}, inputs[0])
        for row in worst:
            self._try(row.layer, values[row.layer])

    @property
    def any_offered(self) -> bool:
        return any(row.offered for row in self.rows)

    def _try_other_pictures(self, worst_db: float) -> None:
        """Where values leave the calibration's ranges, or hardly fill them, the pictures are the cause."""
        unlike, coded = misfits(self.variant, self._observations), len(self._observations.histograms)
        if not unlike:
            return
        graph, bits = self.variant.graph, self._engine.cpu.weight_bits
        found = calibrate(graph.layers, self._observations, bits=bits).calibration
        tried = replace(self.variant, calibration=found)
        engine = Engine(graph, tried.plan, tried.calibration)
        model_db = self._measure(engine)
        if model_db < self._model_db + LEAST_GAIN_DB:
            return
        action = f"calibrate again, on pictures such as these: {len(unlike)} of {coded} values do not fit the ranges"
        own_db = min(row.own_db for row in cross(self._in_float, engine, self._inputs[0]))
        self._take(EVERY_LAYER, action, worst_db, own_db, tried, engine, model_db)

    def _try(self, layer: str, values: list[Value]) -> None:
        remedy = find_remedy(self.variant, self._engine, self._observations, layer, values)
        if remedy.variant is self.variant:
            self._leave(layer, remedy.action, remedy.before_db)
            return
        changed = remedy.variant
        engine = Engine(changed.graph, changed.plan, changed.calibration, reuse=self._engine)
        model_db = self._measure(engine)
        if model_db < self._model_db + LEAST_MODEL_GAIN_DB:
            worse = "makes the model worse" if model_db < self._model_db else "changes nothing in the model"
            self._leave(layer, f"none: what helps the layer ({remedy.action}) {worse}", remedy.before_db)
            return
        self._take(layer, remedy.action, remedy.before_db, remedy.after_db, changed, engine, model_db)

    def _take(
        self,
        layer: str,
        action: str,
        before_db: float,
        after_db: float,
        variant: Variant,
        engine: Engine,
        model_db: float,
    ) -> None:
        self.rows.append(RemedyRow(layer, action, before_db, after_db, self._model_db, model_db, offered=True))
        self.variant, self._engine, self._model_db = variant, engine, model_db

    def _leave(self, layer: str, action: str, own_db: float) -> None:
        self.rows.append(RemedyRow(layer, action, own_db, own_db, self._model_db, self._model_db, offered=False))

    def _measure(self, engine: Engine) -> float:
        """The worst output's signal to noise over all inputs, in dB."""
        found = [engine.run(x) for x in self._inputs]
        return min(
            sqnr_db(_together(self._wanted, output), _together(found, output)) for output in engine.graph.outputs
        )

    def _is_weighted_integer(self, row: Crossing) -> bool:
        weighted = isinstance(self.variant.graph.layer(row.layer).operation, Weighted)
        return weighted and row.precision != Precision.FLOAT


def _together(outputs: Sequence[Mapping[str, Tensor]], name: str) -> Tensor:
    return torch.cat([each[name].reshape(-1) for each in outputs])


def _inputs_of_layers(engine: Engine, layers: set[str], x: Tensor) -> dict[str, list[Value]]:
    wanted = {name for layer in layers for name in engine.graph.layer(layer).inputs}
    values: dict[str, Value] = {INPUT: engine.enter(x)} if INPUT in wanted else {}
    for prepared, value in engine.values(x):
        if prepared.name in wanted:
            values[prepared.name] = value
    return {layer: [values[name] for name in engine.graph.layer(layer).inputs] for layer in layers}
