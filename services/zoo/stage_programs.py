"""Compile the stages of a model, each into a folder that a stage service loads, as `compile` does a whole model."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram
from torch.fx import GraphModule, Node

from services.edge.errors import Unsupported
from services.edge.progress import Progress
from services.zoo.agreement import Forward, Images, Reference
from services.zoo.compile import HANDICAPS, candidates, compile_for, load_module, remove_others, time_forwards
from services.zoo.costs import Cost, balance, measure
from services.zoo.cuts import Cut, CutPlaces, find_cuts, is_size, operators_of
from services.zoo.model_file import ModelFile
from services.zoo.references import EngineReference, reference_in_torch
from services.zoo.runtimes.onnxruntime import FILE_NAME as ONNX_FILE
from services.zoo.split import split
from services.zoo.stage_compile import Cutting
from services.zoo.stage_manifest import StageManifest
from services.zoo.weight_references import FetchedWeights
from services.zoo.writers import export, put_weights_apart


@dataclass(frozen=True)
class StagesToCompile:
    """The stages of one model, to be compiled.

    Attributes:
        chain: their digest.
        runtime: of each stage; `auto` keeps the fastest of each.
    """

    model_file: ModelFile
    weights: FetchedWeights
    cutting: Cutting
    chain: str
    runtime: str
    progress: Progress

    def cuts(self, places: CutPlaces, costs: Callable[[], Sequence[Cost]]) -> tuple[Cut, ...]:
        """Where the model is cut; stages that cost alike need `costs`. Raises InvalidInput: `cuts_at`, `balance`."""
        if self.cutting.layers:
            return places.cuts_at(self.cutting.layers)
        return balance(places, costs(), self.cutting.stages)

    def bounds(self, places: CutPlaces, cuts: Sequence[Cut]) -> list[tuple[str, int, int]]:
        """Each stage's name, its first layer, and the one after its last."""
        names = self.cutting.names or tuple(f"stage-{number}" for number in range(len(cuts) + 1))
        ends = [0, *(cut.position + 1 for cut in cuts), len(places.layers)]
        return [(name, *pair) for name, pair in zip(names, pairwise(ends), strict=True)]

    def begin(self, made: Path, number: int, name: str, stages: int) -> Path:
        """Make a stage's folder."""
        self.progress(f"{self.model_file.name}: compiling stage {name}", number, stages)
        folder = made / f"{number}-{name}"
        folder.mkdir(parents=True)
        return folder

    def manifest(self, number: int, stages: int, name: str, compiled: "CompiledStage") -> StageManifest:
        """What a stage says of itself."""
        return StageManifest(
            model=self.model_file.name,
            chain=self.chain,
            stage=number,
            stages=stages,
            name=name,
            runtime=compiled.runtime,
            first=compiled.first,
            last=compiled.last,
            input_shape=compiled.input_shape,
            output_shape=compiled.output_shape,
            working_bytes=compiled.working_bytes,
            labels=self.model_file.label_names() if number == stages - 1 else (),
            input_spec=self.model_file.input.spec(),
            precision=self.model_file.precision,
        )


class CompiledStage(NamedTuple):
    """What its manifest has of a stage itself."""

    runtime: str
    first: str
    last: str
    input_shape: tuple[int, ...]
    output_shape: tuple[int, ...]
    working_bytes: int


class StagePrograms(StagesToCompile):
    """Those of a model in float: programs of torch's operators, held to their values in torch."""

    def into(self, made: Path) -> None:
        """Compile every stage into a folder of its own below `made`."""
        model = self.model_file.name
        self.progress(f"{model}: looking for legal cuts")
        module = load_module(self.model_file, self.weights)
        graph = find_cuts(module, self.model_file.input.size)
        cuts = self.cuts(graph, lambda: measure(graph, self.model_file.input.size))
        stages = split(graph, cuts)
        values = np.random.default_rng(0).standard_normal((2, 3, *self.model_file.input.size), np.float32)
        for number, (stage, (name, start, end)) in enumerate(zip(stages, self.bounds(graph, cuts), strict=True)):
            folder = self.begin(made, number, name, len(stages))
            runtime, outputs = _compile_stage(stage, values, folder, self.runtime, f"stage {name} of model '{model}'")
            ends = graph.layers[start].name, graph.layers[end - 1].name
            working = _working_bytes(operators_of(graph.module)[start:end])
            compiled = CompiledStage(runtime, *ends, values.shape[1:], outputs.shape[1:], working)
            self.manifest(number, len(stages), name, compiled).write(folder)
            values = outputs


def _compile_stage(stage: GraphModule, values: Images, folder: Path, runtime: str, what: str) -> tuple[str, Images]:
    """Compile for each runtime asked for and keep the fastest; return its name, and the stage's outputs in torch."""
    expected = _run(stage, values)
    try:
        reference = reference_in_torch(partial(_run, stage), stage, values, expected)
    except Unsupported as error:
        raise Unsupported(f"{what}: {error}") from None
    exported = cache(partial(export, stage, values))
    return keep_fastest(candidates(runtime, stage), exported, reference, values, folder, what), expected


def keep_fastest(
    runtimes: Sequence[str],
    exported: Callable[[], ExportedProgram] | None,
    reference: Reference | EngineReference,
    values: Images,
    folder: Path,
    what: str,
) -> str:
    """Compile a stage for each runtime, and keep the fastest that is held to its reference; return its name.

    Args:
        exported: as `compile_for`.
        what: names the stage in errors.
    Raises:
        Unsupported: no runtime runs it as the reference does.
    """
    forwards: dict[str, Forward] = {}
    refusals = []
    for name in runtimes:
        try:
            forward = compile_for(name, folder, exported)
            reference.check(name, forward, forward(values), values)
        except Unsupported as error:
            refusals.append(str(error))
        else:
            forwards[name] = forward
    if not forwards:
        raise Unsupported(f"{what}: {'; '.join(refusals)}")
    times_ms = time_forwards(forwards, values[:1])
    kept = min(forwards, key=lambda name: times_ms[name] * HANDICAPS[name])
    remove_others(folder, kept)
    if kept == "onnxruntime":
        put_weights_apart(folder / ONNX_FILE)
    return kept


def _run(stage: nn.Module, values: Images) -> Images:
    with torch.inference_mode():
        outputs: Images = stage(torch.from_numpy(values.copy())).numpy()
    return outputs


def _working_bytes(operators: Sequence[Node]) -> int:
    """The most that one operator reads and writes beside weights, for one picture."""
    return max(
        sum(_bytes_a_picture(each) for each in [node, *node.all_input_nodes] if each.op != "get_attr")
        for node in operators
    )


def _bytes_a_picture(node: Node) -> int:
    value = node.meta.get("val")
    if is_size(node) or not isinstance(value, torch.Tensor):
        return 0
    return value.element_size() * torch.Size(int(length) for length in value.shape[1:]).numel()
