"""The verb `step`: one model with one picture, stopped at any layer, looked into, edited, compared and kept.

The terminal, the gRPC service and the browser are faces of this; words and pictures are made there.
"""

from collections.abc import Iterator
from dataclasses import replace
from functools import cached_property
from typing import Unpack

from torch import Tensor

from quant.affine import as_float
from quant.crossing import Crossing
from quant.edits import Edit, EditRange
from quant.layer_info import LayerInfo
from quant.precision import Mode
from quant.stepping import MAIN_BRANCH, Difference, Stepper, Visit
from quant.variant import Variant
from services.edge.deadline import Clock
from services.edge.errors import FailedPrecondition, TensorNotFound
from services.workbench.crossing import cross_model, cross_one
from services.workbench.drawing import draw_grey
from services.workbench.edit_places import in_place
from services.workbench.edit_result import EditResult, why_unread
from services.workbench.engine_model import EngineModel
from services.workbench.engines import this_machine, variant_of
from services.workbench.events import Branched, Edited, Event, Moved, Switched, Undone
from services.workbench.findings import Findings, find
from services.workbench.layer_card import LayerCard, TensorPart, describe_card, tensor_of
from services.workbench.pictures import DecodedPicture, as_input, check_input
from services.workbench.running import Naming, PictureRun, run_picture
from services.zoo.integers import Integers, Machine

CACHE_BYTES = 512 << 20


class Session:
    """One opened model, one picture, one person.

    Where a layer can be named, None is the one that one stands at: FailedPrecondition before the first. A name that is
    no layer's raises LayerNotFound.

    Args:
        integers: the model's own; empty where `mode` is FLOAT and nothing is calibrated.
        cache_bytes: of values kept, so that what was visited is not run again.
    Raises:
        NoAutoPlan: the mode needs a plan that `integers` lack. Without scales, the first step raises NotCalibrated.
    """

    def __init__(
        self,
        model: EngineModel,
        integers: Integers,
        mode: Mode,
        picture: DecodedPicture,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.model, self.mode = model, mode
        self.integers, self.picture = integers, picture
        self._cache_bytes = cache_bytes

    @cached_property
    def _opened(self) -> Variant:
        return variant_of(self.model, self.mode, self.integers)

    @cached_property
    def _stepper(self) -> Stepper:
        """Made when a layer is first asked for: it runs the model in float once, which nothing else needs."""
        shared = self.model.shared
        x = as_input(self.model, self.picture)
        stepper = Stepper(self._opened, x, cache_bytes=self._cache_bytes, reuse=shared.any_engine())
        if self.mode is Mode.FLOAT:
            shared.note(stepper.engine)
        return stepper

    @property
    def _has_stepped(self) -> bool:
        return "_stepper" in vars(self)

    def check(self) -> None:
        """Raises now what the first use would: NoAutoPlan, PictureTooLarge."""
        check_input(self.model, self.picture)
        _ = self._opened

    @property
    def machine(self) -> Machine:
        """What it runs on."""
        return this_machine()

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers' names in the order they run."""
        return tuple(layer.name for layer in self.model.graph.layers)

    @property
    def layer(self) -> str | None:
        """The layer one stands at; None before the first."""
        return self._stepper.layer if self._has_stepped else None

    @property
    def branch_name(self) -> str:
        return self._stepper.branch_name if self._has_stepped else MAIN_BRANCH

    @property
    def branches(self) -> tuple[str, ...]:
        return self._stepper.branches if self._has_stepped else (MAIN_BRANCH,)

    @property
    def variant(self) -> Variant:
        """The model as edited on this branch."""
        return self._stepper.variant if self._has_stepped else self._opened

    def step(self) -> Visit:
        """Run the next layer. Raises LayerNotFound at the last one."""
        return self._stepper.next()

    def back(self) -> Visit:
        """Return to the layer before. Raises LayerNotFound at the first one."""
        return self._stepper.back()

    def jump(self, layer: str) -> Visit:
        """Stand at any layer; only what is not known yet is run. Raises LayerNotFound."""
        return self._stepper.jump(layer)

    def look(self, layer: str | None = None) -> Visit:
        """A layer's value in figures."""
        return self._stepper.look(self._named(layer))

    def infos(self) -> list[LayerInfo]:
        """What each layer is, in the order they run."""
        return [self._stepper.info(layer) for layer in self.layers]

    def info(self, layer: str | None = None) -> LayerInfo:
        """What a layer is."""
        return self._stepper.info(self._named(layer))

    def card(self, layer: str | None = None) -> LayerCard:
        """What a layer is made of, its weights in figures."""
        return describe_card(self.variant, self.info(layer))

    def histogram(self, layer: str | None = None) -> tuple[Tensor, Tensor]:
        """Edges [B + 1] and counts [B] of a layer's value.

        Raises:
            NonFiniteValue: the value holds NaN or infinity, after an edit too large.
        """
        return self._stepper.histogram(self._named(layer))

    def feature_maps(self, layer: str | None = None, most_side: int = 0) -> Tensor:
        """The channels of a layer's value as one grey picture, uint8 [H, W], each over its own range.

        Args:
            most_side: as `tile_channels`.
        """
        return self._stepper.feature_maps(self._named(layer), most_side=most_side)

    def drawn_maps(self, layer: str | None = None, most_side: int = 0) -> bytes:
        """Those as a PNG file."""
        return draw_grey(self.feature_maps(layer, most_side))

    def value(self, layer: str | None = None) -> Tensor:
        """A layer's value, float32 [1, C, H, W] or [1, C]."""
        return as_float(self._stepper.value(self._named(layer)))

    def tensor(self, part: TensorPart, layer: str | None = None) -> Tensor:
        """One of a layer's tensors, as edited: float32, but for SUMS (int64) and CODES (int8).

        Raises:
            TensorNotFound: the layer has no such tensor.
        """
        match part:
            case TensorPart.VALUE:
                return self.value(layer)
            case TensorPart.SUMS:
                return self.sums(layer)
        named = self._named(layer)
        found = tensor_of(self.variant, named, part)
        if found is None:
            raise TensorNotFound(f"layer {named!r} has no {part.value} here")
        return found

    def sums(self, layer: str | None = None) -> Tensor:
        """The exact integer sums of a layer, int64, before scale and bias.

        Raises:
            TensorNotFound: the layer has no integer product.
        """
        named = self._named(layer)
        found = self._stepper.accumulators(named)
        if found is None:
            raise TensorNotFound(f"layer {named!r} has no integer sums: it runs without an integer product")
        return found

    def sum_range(self, layer: str | None = None) -> tuple[int, int, int]:
        """The least, the greatest and the count of a layer's sums. Raises TensorNotFound."""
        sums = self.sums(layer)
        return int(sums.min()), int(sums.max()), sums.numel()

    def has_sums(self, layer: str | None = None) -> bool:
        """True where a layer has an integer product."""
        return self._stepper.engine.layer(self._named(layer)).integer is not None

    def edit(self, edit: Edit) -> EditResult:
        """Apply an edit, and compare the layer's value with that before it; on any error nothing is changed.

        Numbers as many as their place has may come in one row.

        Raises:
            what the edit raises.
        """
        is_read = self._stepper.edit(in_place(edit, self.variant.graph))
        layer = edit.value if isinstance(edit, EditRange) else edit.layer
        return EditResult(self._stepper.compare(layer), "" if is_read else why_unread(edit, self.info(layer)))

    def undo(self) -> None:
        """Take back the last edit of this branch. Raises InvalidEdit where there is none."""
        self._stepper.undo()

    def compare(self, branch: str | None = None, layer: str | None = None, *, with_float: bool = False) -> Difference:
        """A layer's value against that before the last edit, another branch's, or the float run's.

        Raises:
            LayerNotFound: no such branch or layer.
            InvalidEdit: nothing was edited, and neither a branch nor the float run is named.
        """
        named = self._named(layer)
        return self._stepper.difference(named, self._other(named, branch, with_float))

    def compare_and_draw(
        self, branch: str | None = None, layer: str | None = None, *, with_float: bool = False, most_side: int = 0
    ) -> tuple[Difference, bytes]:
        """The same, and where they differ as a PNG file: see `Stepper.difference_maps`.

        Raises:
            NonFiniteValue, and as `compare`.
        """
        named = self._named(layer)
        wanted = self._other(named, branch, with_float)
        found = self._stepper.difference(named, wanted)
        return found, draw_grey(self._stepper.difference_maps(named, wanted, most_side=most_side))

    def _other(self, layer: str, branch: str | None, with_float: bool) -> Tensor:
        return self._stepper.float_value(layer) if with_float else self._stepper.other_value(layer, branch)

    def rerun(self, *, threshold: float = 0.5, top: int = 5) -> Findings:
        """Run the model to its end with all edits, and say what it finds; one stays where one is."""
        outputs = {name: as_float(self._stepper.value(name)) for name in self.model.graph.outputs}
        return find(self.model, outputs, self.picture.size, threshold, top)

    def branch(self, name: str) -> None:
        """Start a branch here and stand on it. Raises InvalidEdit where there is one of that name."""
        self._stepper.branch(name)

    def switch(self, name: str) -> None:
        """Stand on another branch. Raises LayerNotFound."""
        self._stepper.switch(name)

    def apply(self, event: Event) -> None:
        """Do again what was done in this session before; nothing is run. Raises what it raised then."""
        match event:
            case Moved(layer):
                self._stepper.stand(layer)
            case Edited(edit):
                self._stepper.edit(in_place(edit, self.variant.graph))
            case Undone():
                self._stepper.undo()
            case Branched(name):
                self._stepper.branch(name)
            case Switched(name):
                self._stepper.switch(name)

    @property
    def edits(self) -> int:
        """How many edits of this branch can be undone."""
        return self._stepper.edits if self._has_stepped else 0

    @property
    def edited(self) -> bool:
        """True where any branch differs from the model as it was opened."""
        return self._has_stepped and any(each is not self._opened for each in self._stepper.variants.values())

    def run(
        self,
        clock: Clock | None,
        mode: Mode | None = None,
        picture: DecodedPicture | None = None,
        **options: Unpack[Naming],
    ) -> PictureRun:
        """Run the model as edited, in its own mode and on its own picture or in others; see `run_picture`."""
        model, integers = self.current()
        return run_picture(model, integers, mode or self.mode, picture or self.picture, clock, **options)

    def cross(self, mode: Mode | None = None) -> Iterator[Crossing]:
        """Cross every layer of the model as edited; see `cross_model`."""
        model, integers = self.current()
        return cross_model(model, integers, self.picture, mode or self.mode)

    def cross_one(self, layer: str, mode: Mode | None = None) -> Crossing:
        """Cross one layer alone; see `cross_one`."""
        self.model.graph.index(layer)  # refused before any work
        model, integers = self.current()
        return cross_one(model, integers, self.picture, layer, mode or self.mode)

    def current(self) -> tuple[EngineModel, Integers]:
        """The model as edited on this branch, and its integers, empty where it has none; with AUTO's plan as edited."""
        model, integers = self.keep(self.model.name)
        if integers is None:
            return model, Integers()
        if self.mode is not Mode.AUTO or not self.loses_auto_plan:
            return model, integers
        shared, variant = integers.calibration.weights, self.variant
        own = {layer: each for layer, each in variant.calibration.weights.items() if each is not shared[layer]}
        return model, integers._replace(auto_plan=variant.plan, auto_weights=own)

    def keep(self, name: str) -> tuple[EngineModel, Integers | None]:
        """The edited model under a name, with its integers where it has any.

        Precisions that were edited hold in HYBRID and INT8 from now on. A plan of AUTO is kept only of a model that was
        not edited: other weights, other times. Without it, integers that were refined for it are of no use: of layers
        that were not edited those of the other modes are kept.
        """
        variant = self.variant
        if variant is self._opened:
            return replace(self.model, name=name), self.integers if variant.calibration.values else None
        edited = replace(self.model, graph=variant.graph, name=name)
        if not variant.calibration.values:
            return edited, None
        changed = {layer: each for layer, each in variant.plan.items() if each is not self._opened.plan[layer]}
        precisions = {**self.integers.edited, **changed}
        shared = self.integers.calibration.weights
        weights = {
            layer: shared[layer] if each is self._opened.calibration.weights[layer] else each
            for layer, each in variant.calibration.weights.items()
        }
        calibration = replace(variant.calibration, weights=weights)
        return edited, Integers(calibration, edited=precisions, isa=self.integers.isa)

    @property
    def loses_auto_plan(self) -> bool:
        """True where the model was opened with a plan of AUTO, and edited since."""
        return bool(self.integers.auto_plan) and self.variant is not self._opened

    def _here(self) -> str:
        if self.layer is None:
            raise FailedPrecondition("no layer has run yet: step to one first")
        return self.layer

    def _named(self, layer: str | None) -> str:
        return layer or self._here()
