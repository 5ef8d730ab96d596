"""The states of a model between edits, and the values of one input in each: what two states agree on is kept once."""

from collections import Counter
from dataclasses import dataclass

from torch import Tensor

from quant.affine import Value
from quant.edits import Edit
from quant.engine import Engine
from quant.graph import INPUT
from quant.value_cache import ValueCache
from quant.variant import Variant


@dataclass(frozen=True, eq=False)
class State:
    """A variant made ready, and of each value the version that belongs to it: states share versions they agree on."""

    variant: Variant
    engine: Engine
    versions: dict[str, int]

    @classmethod
    def first(cls, variant: Variant, reuse: Engine | None = None) -> "State":
        """Before any edit: every value in version 0. Takes `reuse` and raises NotCalibrated as `Engine` does."""
        engine = Engine(variant.graph, variant.plan, variant.calibration, reuse=reuse)
        return cls(variant, engine, dict.fromkeys((INPUT, *(layer.name for layer in variant.graph.layers)), 0))

    def edited(self, edit: Edit, version: int) -> "State":
        """After an edit: layers that it touches are prepared again; their values, and all that follow, get `version`.

        Raises:
            what the edit raises.
        """
        variant = edit.apply(self.variant)
        engine = Engine(variant.graph, variant.plan, variant.calibration, reuse=self.engine)
        versions = dict(self.versions)
        if engine.formats[INPUT] != self.engine.formats[INPUT]:
            versions[INPUT] = version
        for known, prepared in zip(self.engine.layers, engine.layers, strict=True):
            inputs_changed = any(versions[name] != self.versions[name] for name in prepared.layer.inputs)
            if prepared is not known or inputs_changed:
                versions[prepared.name] = version
        return State(variant, engine, versions)

    def runs_as(self, before: "State") -> bool:
        """True where nothing that runs differs: an edit of what no layer reads, such as the codes of one in float."""
        same_input = self.engine.formats[INPUT] == before.engine.formats[INPUT]
        layers = zip(self.engine.layers, before.engine.layers, strict=True)
        return same_input and all(now is then for now, then in layers)


class StateValues:
    """The values of one input in any state.

    At most `limit_bytes` are kept; what has not been used for longest is dropped, and run anew when asked for.

    Args:
        x: [N, C, H, W], float32, channels-last.
    """

    def __init__(self, x: Tensor, limit_bytes: int) -> None:
        self._x = x
        self._cache = ValueCache(limit_bytes)

    @property
    def size_bytes(self) -> int:
        """What the kept values take."""
        return self._cache.size_bytes

    def of(self, state: State, name: str) -> Value:
        """A value: kept, or made by running what leads to it from values that are kept.

        Raises:
            LayerNotFound: no layer of that name.
        """
        graph = state.variant.graph
        alive, missing = self._find_missing(state, name)
        inputs = {at: graph.layer(at).inputs for at in missing if at != INPUT}
        readers_left = Counter(source for sources in inputs.values() for source in sources)
        readers_left[name] += 1
        for at in sorted(missing, key=lambda at: -1 if at == INPUT else graph.index(at)):
            if at == INPUT:
                value = state.engine.enter(self._x)
            else:
                value = state.engine.layer(at).run(*(alive[source] for source in inputs[at]))
            self._cache.put((at, state.versions[at]), value)
            alive[at] = value
            readers_left.subtract(inputs.get(at, ()))
            for source in {source for source in inputs.get(at, ()) if not readers_left[source]}:
                del alive[source]
        return alive[name]

    def _find_missing(self, state: State, name: str) -> tuple[dict[str, Value], set[str]]:
        """Walk back from a value: those at hand, and those that must be run."""
        alive: dict[str, Value] = {}
        missing: set[str] = set()
        wanted = [name]
        while wanted:
            at = wanted.pop()
            if at in alive or at in missing:
                continue
            cached = self._cache.get((at, state.versions.get(at, -1)))
            if cached is not None:
                alive[at] = cached
                continue
            missing.add(at)
            if at != INPUT:
                wanted += state.variant.graph.layer(at).inputs
        return alive, missing
