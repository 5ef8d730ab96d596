"""The verb `step`: one model with one picture, stopped at any layer, looked into, edited, compared and kept.

The terminal, the gRPC service and the browser are faces of this; words and pictures are made there.
"""

from dataclasses import replace

from torch import Tensor

from quant.affine import as_float
from quant.edits import Edit
from quant.layer_info import LayerInfo
from quant.precision import Mode
from quant.stepping import Difference, Stepper, Visit
from quant.variant import Variant
from services.edge.errors import FailedPrecondition, Unsupported
from services.workbench.engine_model import EngineModel
from services.workbench.engines import variant_of
from services.workbench.findings import Findings, find
from services.workbench.integers import Integers
from services.workbench.pictures import Picture, as_input

CACHE_BYTES = 512 << 20


class Session:
    """One opened model, one picture, one person.

    Args:
        integers: the model's own; empty where `mode` is FLOAT and nothing is calibrated.
        cache_bytes: of values kept, so that what was visited is not run again.
    Raises:
        NotCalibrated, NoAutoPlan: the mode needs what `integers` lack.
    """

    def __init__(
        self,
        model: EngineModel,
        integers: Integers,
        mode: Mode,
        picture: Picture,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        self.model, self.mode = model, mode
        self._integers, self._picture = integers, picture
        self._opened = variant_of(model, mode, integers)
        self._stepper = Stepper(self._opened, as_input(model, picture), cache_bytes=cache_bytes)

    @property
    def layers(self) -> tuple[str, ...]:
        """All layers' names in the order they run."""
        return self._stepper.layers

    @property
    def layer(self) -> str | None:
        """The layer one stands at; None before the first."""
        return self._stepper.layer

    @property
    def branch_name(self) -> str:
        return self._stepper.branch_name

    @property
    def branches(self) -> tuple[str, ...]:
        return self._stepper.branches

    @property
    def variant(self) -> Variant:
        """The model as edited on this branch."""
        return self._stepper.variant

    def step(self) -> Visit:
        """Run the next layer. Raises LayerNotFound at the last one."""
        return self._stepper.next()

    def back(self) -> Visit:
        """Return to the layer before. Raises LayerNotFound at the first one."""
        return self._stepper.back()

    def jump(self, layer: str) -> Visit:
        """Stand at any layer; only what is not known yet is run. Raises LayerNotFound."""
        return self._stepper.jump(layer)

    def look(self) -> Visit:
        """The value one stands at, in figures. Raises FailedPrecondition before the first layer."""
        return self._stepper.jump(self._here())

    def info(self, layer: str | None = None) -> LayerInfo:
        """What a layer is; by default the one that one stands at. Raises LayerNotFound, FailedPrecondition."""
        return self._stepper.info(layer or self._here())

    def histogram(self) -> tuple[Tensor, Tensor]:
        """Edges [B + 1] and counts [B] of the value one stands at.

        Raises:
            FailedPrecondition: before the first layer.
            NonFiniteValue: the value holds NaN or infinity, after an edit too large.
        """
        return self._stepper.histogram(self._here())

    def feature_maps(self) -> Tensor:
        """The channels of the value one stands at as one grey picture, uint8 [H, W], each over its own range.

        Raises:
            FailedPrecondition: before the first layer.
        """
        return self._stepper.feature_maps(self._here())

    def value(self) -> Tensor:
        """The value one stands at, float32 [1, C, H, W] or [1, C].

        Raises:
            FailedPrecondition: before the first layer.
        """
        return as_float(self._stepper.value(self._here()))

    def sums(self) -> Tensor:
        """The exact integer sums of the layer one stands at, int64, before scale and bias.

        Raises:
            FailedPrecondition: before the first layer.
            Unsupported: the layer has no integer product.
        """
        here = self._here()
        found = self._stepper.accumulators(here)
        if found is None:
            raise Unsupported(f"layer {here!r} has no integer sums: it runs without an integer product")
        return found

    def edit(self, edit: Edit) -> Difference:
        """Apply an edit, and compare the value one stands at with that before it; on any error nothing is changed.

        Raises:
            FailedPrecondition: before the first layer.
            what the edit raises.
        """
        here = self._here()
        self._stepper.edit(edit)
        return self._stepper.compare(here)

    def undo(self) -> Visit:
        """Take back the last edit of this branch. Raises InvalidEdit where there is none."""
        self._stepper.undo()
        return self.look()

    def compare(self, branch: str | None = None) -> Difference:
        """The value one stands at against that before the last edit, or against another branch's.

        Raises:
            FailedPrecondition: before the first layer.
            LayerNotFound: no such branch.
            InvalidEdit: nothing was edited, and no branch is named.
        """
        return self._stepper.compare(self._here(), branch)

    def rerun(self, *, threshold: float = 0.5, top: int = 5) -> Findings:
        """Run the model to its end with all edits, and say what it finds; one stays where one is."""
        outputs = {name: as_float(self._stepper.value(name)) for name in self.model.graph.outputs}
        return find(self.model, outputs, self._picture.size, threshold, top)

    def branch(self, name: str) -> None:
        """Start a branch here and stand on it. Raises InvalidEdit where there is one of that name."""
        self._stepper.branch(name)

    def switch(self, name: str) -> None:
        """Stand on another branch. Raises LayerNotFound."""
        self._stepper.switch(name)

    def keep(self, name: str) -> tuple[EngineModel, Integers | None]:
        """The edited model under a name, with its integers where it has any.

        Precisions that were edited hold in HYBRID and INT8 from now on. A plan of AUTO is not kept: other weights,
        other times.
        """
        variant = self.variant
        edited = replace(self.model, graph=variant.graph, name=name)
        if not variant.calibration.values:
            return edited, None
        changed = {layer: each for layer, each in variant.plan.items() if each is not self._opened.plan[layer]}
        precisions = {**self._integers.edited, **changed}
        return edited, Integers(variant.calibration, edited=precisions, isa=self._integers.isa)

    @property
    def loses_auto_plan(self) -> bool:
        """True where the model was opened with a plan of AUTO, which is not kept."""
        return bool(self._integers.auto_plan)

    def _here(self) -> str:
        if self._stepper.layer is None:
            raise FailedPrecondition("no layer has run yet: step to one first")
        return self._stepper.layer
