"""Compile the stages of a model, each into a folder that a stage service loads, as `compile` does a whole model."""

import hashlib
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.fx import GraphModule, Node

from services.edge.errors import Unavailable, Unsupported
from services.edge.progress import Progress, no_progress
from services.zoo.agreement import Forward, Images
from services.zoo.compile import (
    HANDICAPS,
    candidates,
    compile_for,
    digest_of,
    load_module,
    remove_others,
    time_forwards,
)
from services.zoo.costs import balance, measure
from services.zoo.cuts import Cut, CutGraph, find_cuts, is_size, operators_of
from services.zoo.model_file import ModelFile
from services.zoo.references import reference_in_torch
from services.zoo.split import split
from services.zoo.stage_manifest import StageManifest
from services.zoo.weights import FetchedWeights, fetch_weights


@dataclass(frozen=True)
class Cutting:
    """How to cut: after `layers`; where none are named, into `stages` stages that cost alike.

    Attributes:
        names: of the stages, where they have any.
    """

    layers: tuple[str, ...] = ()
    names: tuple[str, ...] = ()
    stages: int = 4

    def cuts(self, graph: CutGraph, size: tuple[int, int]) -> tuple[Cut, ...]:
        """Find the cuts; `size` is (H, W) of the pictures. Raises InvalidInput: see `cut_at` and `balance`."""
        if self.layers:
            return tuple(graph.cut_at(layer) for layer in self.layers)
        return balance(graph, measure(graph, size), self.stages)


def compile_stages(
    model_file: ModelFile, cutting: Cutting, cache: Path, runtime: str, progress: Progress = no_progress
) -> list[Path]:
    """Compile a model's stages, or find them compiled, and return the folder of each, in their order.

    Args:
        runtime: of each stage; `auto` keeps the fastest of each.
    Raises:
        InvalidInput: a place where the model cannot be cut.
        Unsupported: a runtime cannot run a stage, or its values differ from torch's; and what `load_module` raises.
        Unavailable: the cache cannot be written.
    """
    weights = fetch_weights(model_file.weights, model_file.folder)
    chain = _chain_of(model_file, weights, cutting, runtime)
    whole = cache / f"{model_file.name}-stages-{chain}"
    if not whole.exists():
        try:
            cache.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise Unavailable(
                f"{cache}: cannot keep compiled stages here: {error.strerror}; STRATA_CACHE names another folder"
            ) from error
        with tempfile.TemporaryDirectory(dir=cache, prefix=f".{model_file.name}-") as scratch:
            made = Path(scratch) / "made"
            _Compiling(model_file, weights, cutting, chain, runtime, progress).into(made)
            try:
                made.rename(whole)
            except OSError:
                if not whole.exists():  # another process was faster, with the same content
                    raise
    return sorted(whole.iterdir(), key=lambda folder: int(folder.name.partition("-")[0]))


def _chain_of(model_file: ModelFile, weights: FetchedWeights, cutting: Cutting, runtime: str) -> str:
    content = [digest_of(model_file, weights, runtime), cutting.layers or cutting.stages, cutting.names]
    return hashlib.sha256(repr(content).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class _Compiling:
    model_file: ModelFile
    weights: FetchedWeights
    cutting: Cutting
    chain: str
    runtime: str
    progress: Progress

    def into(self, made: Path) -> None:
        """Compile every stage into a folder of its own below `made`."""
        model = self.model_file.name
        self.progress(f"{model}: looking for legal cuts")
        module = load_module(self.model_file, self.weights)
        graph = find_cuts(module, self.model_file.input.size)
        cuts = self.cutting.cuts(graph, self.model_file.input.size)
        stages = split(graph, cuts)
        names = self.cutting.names or tuple(f"stage-{number}" for number in range(len(stages)))
        bounds = list(pairwise([0, *(cut.position + 1 for cut in cuts), len(graph.layers)]))
        values = np.random.default_rng(0).standard_normal((2, 3, *self.model_file.input.size), np.float32)
        for number, (stage, name, (start, end)) in enumerate(zip(stages, names, bounds, strict=True)):
            self.progress(f"{model}: compiling stage {name}", number, len(stages))
            folder = made / f"{number}-{name}"
            folder.mkdir(parents=True)
            runtime, outputs = _compile_stage(stage, values, folder, self.runtime, f"stage {name} of model '{model}'")
            StageManifest(
                model=model,
                chain=self.chain,
                stage=number,
                stages=len(stages),
                name=name,
                runtime=runtime,
                first=graph.layers[start].name,
                last=graph.layers[end - 1].name,
                input_shape=values.shape[1:],
                output_shape=outputs.shape[1:],
                working_bytes=_working_bytes(operators_of(graph.module)[start:end]),
                labels=self.model_file.label_names() if number == len(stages) - 1 else (),
                input_spec=self.model_file.input.spec(),
            ).write(folder)
            values = outputs


def _compile_stage(stage: GraphModule, values: Images, folder: Path, runtime: str, what: str) -> tuple[str, Images]:
    """Compile for each runtime asked for and keep the fastest; return its name, and the stage's outputs in torch."""
    expected = _run(stage, values)
    try:
        reference = reference_in_torch(partial(_run, stage), stage, values, expected)
    except Unsupported as error:
        raise Unsupported(f"{what}: {error}") from None
    forwards: dict[str, Forward] = {}
    refusals = []
    for name in candidates(runtime, stage):
        try:
            forward = compile_for(name, folder, stage, values)
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
    return kept, expected


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
