"""A graph made ready to run: every layer's kernel with its packed weights, once; then many runs.

Between layers a value is stored either as float32 or as codes; which of the two is fixed when the engine is made.
Running, stepping and crossing call the very same prepared layers.
"""

from collections import Counter
from collections.abc import Iterator
from functools import partial

import torch
from torch import Tensor

from quant.affine import Quantised, Value, as_float, quantise, quantise_planes
from quant.cpu import Cpu, this_cpu
from quant.graph import INPUT, Graph, Layer
from quant.kernels.floats import Kernel
from quant.kernels.prepared import Format, PreparedLayer, prepare_layer
from quant.kernels.script import NotScriptable, Run, script
from quant.operations import (
    Activate,
    Add,
    AvgPool,
    BatchNorm,
    Concat,
    Conv2d,
    GlobalAvgPool,
    Linear,
    Mul,
    Weighted,
)
from quant.precision import Plan, Precision, supported_plan, takes_codes
from quant.scales import Calibration


class Engine:
    """Runs one graph under one plan and calibration.

    From its second run of a single picture on, the whole run is one script of the same calls (quant/kernels/script.py)
    where there can be one, but not in HYBRID, whose every layer codes its input: scripts are slow at that.

    Args:
        plan: precisions without a kernel fall back to float.
        calibration: needed where the plan is not all float.
        reuse: an engine whose layers are taken over where they come out the same (after an edit: all but a few).
        cpu: found out where it is not given; without an exact 8-bit product the weights run as 7-bit codes.
    Attributes:
        formats: of each value, the input's included, how it is stored.
    Raises:
        NotCalibrated: the plan wants integers where the calibration has none.
    """

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        calibration: Calibration | None = None,
        *,
        cpu: Cpu | None = None,
        reuse: "Engine | None" = None,
    ) -> None:
        self.graph = graph
        self.plan = supported_plan(graph, plan)
        self.calibration = calibration or Calibration()
        self.cpu = cpu or this_cpu()
        self.formats = stored_formats(graph, self.plan, self.calibration)
        known = {layer.name: layer for layer in reuse.layers} if reuse else {}
        with torch.inference_mode():
            prepared = [self._prepare(layer, known.get(layer.name)) for layer in graph.layers]
        self.layers: tuple[PreparedLayer, ...] = tuple(prepared)
        leaving = tuple((graph.index(name) + 1, self.formats[name]) for name in graph.outputs)
        self._run_program: Run = partial(_run_program, _program(graph, self.layers), leaving)
        self._ran_once = False
        self._script: Run | None = None

    def layer(self, name: str) -> PreparedLayer:
        """Raises LayerNotFound."""
        return self.layers[self.graph.index(name)]

    def run(self, x: Tensor) -> dict[str, Tensor]:
        """The outputs by name, float32.

        Args:
            x: [N, C, H, W], float32.
        Raises:
            WrongShape, WrongType: see `Graph.check_input`.
        """
        with torch.inference_mode():
            outputs = self._run_stored(self._stored_input(x))
        return dict(zip(self.graph.outputs, outputs, strict=True))

    def _run_stored(self, stored: Tensor) -> tuple[Tensor, ...]:
        if len(stored) != 1 or Precision.HYBRID in self.plan.values():
            return self._run_program(stored)
        if self._script is None:
            if not self._ran_once:
                self._ran_once = True
                return self._run_program(stored)
            try:
                self._script = script(self._run_program, stored)
            except NotScriptable:
                self._script = self._run_program
        return self._script(stored)

    def values(self, x: Tensor) -> Iterator[tuple[PreparedLayer, Value]]:
        """Run layer by layer, yielding each with its value; a value is dropped after its last reader."""
        readers_left = Counter(name for layer in self.graph.layers for name in layer.inputs)
        alive = {INPUT: self.enter(x)}
        for prepared in self.layers:
            value = prepared.run(*(alive[name] for name in prepared.layer.inputs))
            for name in prepared.layer.inputs:
                readers_left[name] -= 1
                if not readers_left[name]:
                    del alive[name]
            if readers_left[prepared.name]:
                alive[prepared.name] = value
            yield prepared, value

    def enter(self, x: Tensor) -> Value:
        """The input as it is stored; takes and raises what `run` does."""
        with torch.inference_mode():
            stored = self._stored_input(x)
        qparams = self.formats[INPUT]
        return stored if qparams is None else Quantised(stored, qparams)

    def _stored_input(self, x: Tensor) -> Tensor:
        self.graph.check_input(x)
        return _channels_last(x, self.formats[INPUT])

    def _prepare(self, layer: Layer, known: PreparedLayer | None) -> PreparedLayer:
        precision = self.plan[layer.name]
        stored = tuple(self.formats[name] for name in layer.inputs)
        output = self.formats[layer.name]
        prepared_like = (precision, stored, output)
        if known and known.layer.operation is layer.operation and known.layer.inputs == layer.inputs:
            same_formats = (known.precision, known.stored, known.output) == prepared_like
            if same_formats and self._same_scales(known):
                return known
        return prepare_layer(
            layer,
            precision,
            stored,
            output,
            self.calibration,
            self.graph.shapes[layer.inputs[0]],
            cpu=self.cpu,
        )

    def _same_scales(self, known: PreparedLayer) -> bool:
        if known.precision is Precision.FLOAT:
            return True
        weighted = isinstance(known.layer.operation, Weighted)
        if weighted and known.weights is not self.calibration.of_weights(known.name):
            return False
        pairs = zip(known.layer.inputs, known.wanted, strict=True)
        return all(wanted is None or wanted == self.calibration.of_value(name) for name, wanted in pairs)


def _channels_last(x: Tensor, stored: Format) -> Tensor:
    """The picture as it is stored."""
    if stored is None:
        return x.contiguous(memory_format=torch.channels_last)
    if x.shape[1] <= 4 and not x.is_contiguous(memory_format=torch.channels_last):
        return quantise_planes(x, stored)
    return quantise(x, stored).contiguous(memory_format=torch.channels_last)


_NEW_MEMORY = Conv2d | Linear | Add | Mul | BatchNorm | Concat | Activate | AvgPool | GlobalAvgPool

Step = tuple[Kernel, tuple[int, ...], int, tuple[int, ...]]
"""Kernel, slots it reads, slot it writes, slots that no layer reads any more."""


def _program(graph: Graph, layers: tuple[PreparedLayer, ...]) -> list[Step]:
    slot = {INPUT: 0} | {layer.name: index + 1 for index, layer in enumerate(graph.layers)}
    last_reader = {name: layer.name for layer in graph.layers for name in layer.inputs}
    program = []
    for prepared in layers:
        layer = prepared.layer
        dead = {name for name in layer.inputs if last_reader[name] == layer.name} - set(graph.outputs)
        inputs = tuple(slot[name] for name in layer.inputs)
        owns_second = len(layer.inputs) == 2 and layer.inputs[1] in dead and _in_memory_of_its_own(graph, layer, 1)
        kernel = prepared.stored_kernel(last_reader_of_second=owns_second and layer.inputs[0] != layer.inputs[1])
        program.append((kernel, inputs, slot[layer.name], tuple(slot[name] for name in dead)))
    return program


def _run_program(program: list[Step], leaving: tuple[tuple[int, Format], ...], stored: Tensor) -> tuple[Tensor, ...]:
    """The outputs, float32; `leaving` has the slot and the format of each."""
    slots: list[Tensor | None] = [stored, *[None] * len(program)]
    for kernel, inputs, output, dead in program:
        slots[output] = kernel(*[slots[slot] for slot in inputs])
        for slot in dead:
            slots[slot] = None
    return tuple(_leaving(slots[slot], qparams) for slot, qparams in leaving)


def _leaving(y: Tensor | None, qparams: Format) -> Tensor:
    assert y is not None
    return as_float(y if qparams is None else Quantised(y, qparams))


def _in_memory_of_its_own(graph: Graph, layer: Layer, position: int) -> bool:
    """An input of the layer is surely not a view, and has no other view: it is not the caller's picture, and
    neither its maker nor its other readers are operations that may hand their input on."""
    name = layer.inputs[position]
    others = {name, *graph.consumers[name]} - {layer.name}
    return name != INPUT and all(isinstance(graph.layer(other).operation, _NEW_MEMORY) for other in others)


def stored_formats(graph: Graph, plan: Plan, calibration: Calibration) -> dict[str, Format]:
    """Codes where every reader takes codes, or the maker is an integer layer and at least one reader takes them."""
    formats: dict[str, Format] = {}
    for name in (INPUT, *(layer.name for layer in graph.layers)):
        readers = [
            plan[reader.name] is Precision.INT8 and takes_codes(reader.operation, position)
            for reader in map(graph.layer, graph.consumers[name])
            for position, source in enumerate(reader.inputs)
            if source == name
        ]
        made_as_codes = name != INPUT and plan[name] is Precision.INT8
        stored_as_codes = any(readers) and (made_as_codes or all(readers))
        formats[name] = calibration.of_value(name) if stored_as_codes else None
    return formats
