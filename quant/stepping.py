"""One picture through one model, layer by layer, back, edited, branched: what is stepped is what serves."""

from dataclasses import dataclass, field

import torch
from torch import Tensor

from quant.affine import Value, as_float
from quant.edits import Edit
from quant.engine import Engine
from quant.errors import InvalidEdit, LayerNotFound
from quant.graph import Graph
from quant.layer_info import LayerInfo, describe_layer
from quant.states import State, StateValues
from quant.statistics import Statistics, sqnr_db, tile_channels
from quant.value_figures import ValueFigures, check_finite
from quant.variant import Variant

UNDO_DEPTH = 32
MAIN_BRANCH = "main"


@dataclass(frozen=True)
class Visit:
    """What a stop at a layer shows.

    Attributes:
        sqnr_db: against the float run of the model as it was opened, over at most 65 536 elements, spread evenly.
    """

    index: int
    layer: str
    statistics: Statistics
    sqnr_db: float


@dataclass(frozen=True)
class Difference:
    """Of one layer's value in two states of the model, `changed_fraction` counting elements that are not equal."""

    sqnr_db: float
    largest: float
    changed_fraction: float


@dataclass(eq=False)
class _Branch:
    states: list[State] = field(default_factory=list)
    position: int = -1


class Stepper:
    """Steps one input through a variant.

    Values are kept by state: going back is free, an edit keeps everything before it, and undo finds its values again.
    At most `cache_bytes` are kept (`StateValues`).

    Args:
        x: [N, C, H, W], float32; the first picture is shown as feature maps.
        float_graph: the model before any edit; errors are measured against it. By default the variant's own.
        reuse: an engine of the same model, whose layers are taken over where they come out the same.
    Raises:
        WrongShape: x does not have the graph's input shape.
        NotCalibrated: the variant's plan wants integers where there are no scales.
    """

    def __init__(
        self,
        variant: Variant,
        x: Tensor,
        float_graph: Graph | None = None,
        cache_bytes: int = 512 << 20,
        reuse: Engine | None = None,
    ) -> None:
        x = x.contiguous(memory_format=torch.channels_last)
        self._values = StateValues(x, cache_bytes)
        self._versions_made = 0
        self._float_graph, self._x = float_graph or variant.graph, x
        with torch.inference_mode():
            self._figures = ValueFigures(self._values, self._float_graph.values(x))
        self._branches = {MAIN_BRANCH: _Branch([State.first(variant, reuse)])}
        self.branch_name = MAIN_BRANCH

    @property
    def variant(self) -> Variant:
        """The model as edited on this branch."""
        return self._state.variant

    @property
    def engine(self) -> Engine:
        """The prepared layers of this branch."""
        return self._state.engine

    @property
    def branches(self) -> tuple[str, ...]:
        return tuple(self._branches)

    @property
    def variants(self) -> dict[str, Variant]:
        """The model as edited on each branch."""
        return {name: branch.states[-1].variant for name, branch in self._branches.items()}

    @property
    def edits(self) -> int:
        """How many edits of this branch can be undone."""
        return len(self._branch.states) - 1

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers' names in the order they run."""
        return tuple(layer.name for layer in self.variant.graph.layers)

    @property
    def layer(self) -> str | None:
        """The layer one stands at; None before the first."""
        position = self._branch.position
        return None if position < 0 else self.layers[position]

    @property
    def finished(self) -> bool:
        """True at the last layer."""
        return self._branch.position == len(self.layers) - 1

    def next(self) -> Visit:
        """Run the next layer.

        Raises:
            LayerNotFound: this is the last one.
        """
        if self.finished:
            raise LayerNotFound(f"{self.layer!r} is the last layer")
        return self.jump(self.layers[self._branch.position + 1])

    def back(self) -> Visit:
        """Return to the layer before.

        Raises:
            LayerNotFound: this is the first one.
        """
        if self._branch.position < 1:
            raise LayerNotFound("there is no layer before this one")
        return self.jump(self.layers[self._branch.position - 1])

    def jump(self, layer: str) -> Visit:
        """Stand at any layer; only what is not known yet is run.

        Raises:
            LayerNotFound: no layer of that name; the position stays.
        """
        visit = self.look(layer)
        self.stand(layer)
        return visit

    def stand(self, layer: str) -> None:
        """Stand at any layer without running anything. Raises LayerNotFound."""
        self._branch.position = self.variant.graph.index(layer)

    def look(self, layer: str) -> Visit:
        """A layer's value in figures, run if need be; one stays where one is. Raises LayerNotFound."""
        found = self._figures.statistics(self._state, layer)
        return Visit(self.variant.graph.index(layer), layer, found, self._figures.sqnr_db(self._state, layer))

    def value(self, layer: str) -> Value:
        """A layer's value in this branch, run if need be.

        Raises:
            LayerNotFound: no layer of that name.
        """
        return self._values.of(self._state, layer)

    def info(self, layer: str) -> LayerInfo:
        """What a layer is. Raises LayerNotFound."""
        return describe_layer(self.engine, layer)

    def histogram(self, layer: str, bins: int = 64) -> tuple[Tensor, Tensor]:
        """Edges [B + 1] and counts [B] of a layer's value: a bin per code, or `bins` where it is float.

        Raises:
            LayerNotFound: no layer of that name.
            NonFiniteValue: the value holds NaN or infinity, after an edit too large.
        """
        return self._figures.histogram(self._state, layer, bins)

    def feature_maps(self, layer: str, columns: int | None = None, most_side: int = 0) -> Tensor:
        """All channels of the first picture as one grey picture, uint8 [H, W]: see `tile_channels`.

        Raises:
            LayerNotFound: no layer of that name.
            NonFiniteValue: the value holds NaN or infinity, after an edit too large.
        """
        return self._figures.feature_maps(self._state, layer, columns, most_side)

    def accumulators(self, layer: str) -> Tensor | None:
        """The exact integer sums of a layer before scale and bias, or None where it has no integer product."""
        source = self.variant.graph.layer(layer).inputs[0]
        return self.engine.layer(layer).accumulators(self._values.of(self._state, source))

    def edit(self, edit: Edit) -> bool:
        """Apply an edit to this branch: the layers it touches are prepared again, and what follows them runs again.

        Returns:
            False where no layer reads what was edited, in the precisions that they run in now.
        Raises:
            what the edit raises; the branch is as it was.
        """
        before = self._state
        edited = before.edited(edit, self._versions_made + 1)
        self._versions_made += 1
        states = self._branch.states
        states.append(edited)
        del states[:-UNDO_DEPTH]
        return not edited.runs_as(before)

    def undo(self) -> None:
        """Take back the last edit of this branch.

        Raises:
            InvalidEdit: there is none.
        """
        if len(self._branch.states) == 1:
            raise InvalidEdit("there is no edit to undo on this branch")
        self._branch.states.pop()

    def compare(self, layer: str, other: str | None = None) -> Difference:
        """This branch's value of a layer against that before the last edit, or against another branch's.

        Raises:
            LayerNotFound: no such layer or branch.
            InvalidEdit: nothing was edited, and no branch is named.
        """
        return self.difference(layer, self.other_value(layer, other))

    def other_value(self, layer: str, other: str | None = None) -> Tensor:
        """A layer's value before the last edit, or on another branch. Raises as `compare`."""
        if other is not None:
            before = self._find(other).states[-1]
        elif len(self._branch.states) > 1:
            before = self._branch.states[-2]
        else:
            raise InvalidEdit("nothing was edited on this branch; name a branch to compare with")
        return as_float(self._values.of(before, layer))

    def float_value(self, layer: str) -> Tensor:
        """A layer's value in the float run of the model as it was opened, which runs again. Raises LayerNotFound."""
        self._float_graph.index(layer)
        with torch.inference_mode():
            return next(value for name, value in self._float_graph.values(self._x) if name == layer)

    def difference(self, layer: str, wanted: Tensor) -> Difference:
        """This branch's value of a layer against another of its shape. Raises LayerNotFound."""
        found = as_float(self.value(layer))
        gap = (wanted - found).abs_()
        changed = int(torch.count_nonzero(gap)) / gap.numel()
        return Difference(sqnr_db(wanted, found), float(gap.max()), changed)

    def difference_maps(self, layer: str, wanted: Tensor, columns: int | None = None, most_side: int = 0) -> Tensor:
        """How far the value is from another, channel by channel: uint8 [H, W], black where equal, white where most.

        Raises:
            LayerNotFound: no layer of that name.
            NonFiniteValue: either holds NaN or infinity.
        """
        gap = (wanted[0] - as_float(self.value(layer))[0]).abs_()
        check_finite(layer, gap)
        return tile_channels(gap, columns, (0.0, float(gap.max()) or 1.0), most_side)

    def branch(self, name: str) -> None:
        """Start a branch here, and stand on it; values known so far are shared.

        Raises:
            InvalidEdit: there is a branch of that name.
        """
        if name in self._branches:
            raise InvalidEdit(f"there is a branch {name!r} already; choose another name")
        self._branches[name] = _Branch(list(self._branch.states), self._branch.position)
        self.branch_name = name

    def switch(self, name: str) -> None:
        """Stand on another branch, at the layer it was left at. Raises LayerNotFound."""
        self._find(name)
        self.branch_name = name

    @property
    def cached_bytes(self) -> int:
        """What the kept values take."""
        return self._values.size_bytes

    @property
    def _branch(self) -> _Branch:
        return self._branches[self.branch_name]

    @property
    def _state(self) -> State:
        return self._branch.states[-1]

    def _find(self, name: str) -> _Branch:
        if name not in self._branches:
            raise LayerNotFound(f"no branch {name!r}; there are: {', '.join(self._branches)}")
        return self._branches[name]
