"""Compile a model file into what a model service loads without torch: the fastest runtime, outputs as torch's.

`model_compile` calls it for what is not compiled yet.
"""

import math
import shutil
import time
from collections.abc import Callable, Mapping
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from threading import Lock

import numpy as np
import torch
from torch import nn
from torch.export import ExportedProgram

from quant.graph import Graph
from services.edge.disk_room import is_full
from services.edge.errors import InvalidDeclaration, InvalidWeights, Unsupported
from services.edge.progress import Progress
from services.zoo.agreement import Forward, Images, Reference
from services.zoo.architectures import build
from services.zoo.batching_choice import choose_batching
from services.zoo.declared_darknet import darknet_graph
from services.zoo.declared_heads import declared_heads, detection_of
from services.zoo.exported.graph import graph_of, graph_of_program
from services.zoo.from_onnx.graph import graph_of_onnx
from services.zoo.manifest import INPUT_NAME, OUTPUT_NAME, Batching, DetectionSpec, Manifest
from services.zoo.model_file import SLEEP, ModelFile
from services.zoo.onnx_form.part import EnginePart
from services.zoo.onnx_form.program import onnx_program
from services.zoo.programs import check_scores, load_program, read_onnx
from services.zoo.quantised import declared_engine
from services.zoo.references import EngineReference, reference_in_engine, reference_in_runtime, reference_in_torch
from services.zoo.runtimes.onnxruntime import FILE_NAME as ONNX_FILE
from services.zoo.runtimes.onnxruntime import WEIGHTS_SUFFIX, write_optimised
from services.zoo.runtimes.torch import FILE_NAME as TORCH_FILE
from services.zoo.weight_references import FetchedWeights, fetch_weights
from services.zoo.weights import load_into
from services.zoo.writers import export, write_onnx, write_openvino, write_torch

IMAGENET_CLASSES = 1000
# A runtime that starts slower must be faster by this factor to be kept; docs/adr/0002-runtimes.md has the starts.
HANDICAPS = {"onnxruntime": 1.0, "openvino": 1.05, "torch": 1.5}
_TIMED_PASSES = 15
_TRACING = Lock()
"""Torch's exporter is for one thread at a time, and so are modules while it traces one: it patches what all share."""


def compile_into(
    made: Path, model_file: ModelFile, weights: FetchedWeights, digest: str, runtime: str, report: Progress
) -> None:
    """Compile a model into an empty folder, under the name of all that goes into it; as `compile_model`."""
    if model_file.architecture == SLEEP:
        classes = int(model_file.parameters.get("classes", IMAGENET_CLASSES))
        batching = choose_batching(model_file.batching, None, np.zeros((1, 3, *model_file.input.size), np.float32))
        _write_manifest(model_file, digest, SLEEP, classes, batching, made)
        return
    example = np.random.default_rng(0).standard_normal((2, 3, *model_file.input.size), np.float32)
    module, exported, program = None, None, None
    reference: Reference | EngineReference | None = None
    detection = None
    if model_file.runs_as_engine:
        graph = declared_graph(model_file, weights)
        detection = detection_of(graph, model_file.detection)
        whole = EnginePart(declared_engine(model_file, graph, report))
        made_of = onnx_program(whole, f"strata {model_file.precision}", joined=True)
        (made / ONNX_FILE).write_bytes(made_of.SerializeToString())
        load = partial(compile_for, "onnxruntime", exported=None)
        reference = reference_in_engine(whole, made_of, example, load)
    elif model_file.is_onnx:
        program = read_onnx(weights)
        check_scores(program, weights.reference)
        (made / ONNX_FILE).write_bytes(weights.stored)
    else:
        module = load_module(model_file, weights)
        exported = cache(partial(export, module, example))
        in_torch = partial(_scores, module)
        scores = _try(in_torch, example, model_file, "torch")
        try:
            reference = reference_in_torch(in_torch, module, example, scores)
        except Unsupported as error:
            raise Unsupported(f"model '{model_file.name}': {error}") from None
    forwards: dict[str, Forward] = {}
    refusals = []
    for name in candidates(runtime, module):
        report(f"{model_file.name}: compiling for {name}")
        try:
            forward = compile_for(name, made, exported)
            scores = _try(forward, example, model_file, name)
            if reference is None:
                assert program
                load = partial(compile_for, name, exported=None)
                reference = reference_in_runtime(name, forward, program, example, load)
            reference.check(name, forward, scores, example)
        except (Unsupported, InvalidDeclaration, InvalidWeights) as error:
            if reference is None and not isinstance(error, Unsupported):
                raise  # no runtime has run the program yet: the fault is its own
            report(f"{model_file.name}: {error}")
            refusals.append(str(error))
        else:
            forwards[name] = forward
    if not forwards or reference is None:
        raise Unsupported(f"model '{model_file.name}': {'; '.join(refusals)}")
    times_ms = time_forwards(forwards, example[:1])
    kept = min(forwards, key=lambda name: times_ms[name] * HANDICAPS[name])
    times = ", ".join(f"{name} {each:.1f} ms" for name, each in sorted(times_ms.items(), key=lambda item: item[1]))
    report(f"{model_file.name}: {times}")
    remove_others(made, kept)
    if kept == "onnxruntime":
        write_optimised(made)
    batching = choose_batching(model_file.batching, forwards[kept], example[:1])
    _write_manifest(model_file, digest, kept, reference.scores.shape[1], batching, made, detection)


def load_module(model_file: ModelFile, weights: FetchedWeights | None = None) -> nn.Module:
    """Build the declared model in torch, with its weights, in evaluation mode.

    Args:
        weights: the declared ones, where they are at hand; else they are fetched.
    Raises:
        InvalidDeclaration, InvalidWeights, ArtifactNotFound, Unavailable: as `compile_model`.
        Unsupported: the file is an ONNX program or a Darknet network, which torch cannot run.
    """
    if model_file.is_onnx or model_file.is_darknet:
        kind = "an ONNX program" if model_file.is_onnx else "a Darknet network"
        raise Unsupported(f"model '{model_file.name}' is {kind}; torch cannot load it")
    weights = weights or fetch_weights(model_file.weights, model_file.folder)
    if model_file.is_program:
        return load_program(weights).module()
    assert model_file.architecture
    labels = model_file.label_names()
    classes = model_file.classes or len(labels) or IMAGENET_CLASSES
    module = build(model_file.architecture, classes, **model_file.parameters)
    load_into(module, weights, model_file.architecture, model_file.input.size)
    evaluating: nn.Module = module.eval()
    return evaluating


def declared_graph(model_file: ModelFile, weights: FetchedWeights) -> Graph:
    """The declared model as a graph, which is what integers belong to.

    Raises:
        InvalidDeclaration: it takes pictures of another size than its file says; heads that are not there.
        Unsupported: an operator there is no operation for; and what `load_module` raises.
    """
    graph = _graph(model_file, weights)
    if graph.input_shape != (3, *model_file.input.size):
        raise InvalidDeclaration(
            f"model '{model_file.name}' takes [N, {', '.join(map(str, graph.input_shape))}]; "
            f"its file says size {list(model_file.input.size)}"
        )
    return graph


def _graph(model_file: ModelFile, weights: FetchedWeights) -> Graph:
    if model_file.is_darknet:
        return darknet_graph(model_file, weights)
    if model_file.is_onnx:
        program, file = read_onnx(weights), weights.reference
        return graph_of_onnx(program, file, declared_heads(model_file, program, file))
    with _TRACING, torch.no_grad():
        if model_file.is_program:
            return graph_of_program(load_program(weights))
        return graph_of(load_module(model_file, weights), torch.zeros(1, 3, *model_file.input.size))


def candidates(runtime: str, module: nn.Module | None) -> tuple[str, ...]:
    """The runtimes to compile for; `module` is None for an ONNX program. Raises Unsupported."""
    if runtime != "auto":
        if runtime == "torch" and module is None:
            raise Unsupported("runtime torch cannot run an ONNX program; choose onnxruntime or openvino")
        return (runtime,)
    return tuple(HANDICAPS) if module else ("onnxruntime", "openvino")


def compile_for(runtime: str, made: Path, exported: Callable[[], ExportedProgram] | None) -> Forward:
    """Write what a runtime loads into a folder, and load it.

    Args:
        exported: exports the module, once for all runtimes; None where the folder has the ONNX program already.
    Raises:
        Unsupported: the runtime cannot run it.
        OSError: the disk is full.
    """
    try:
        if runtime == "torch":
            assert exported
            write_torch(exported(), made / TORCH_FILE)
        elif exported and not (made / ONNX_FILE).exists():
            write_onnx(exported(), made / ONNX_FILE)
        if runtime == "openvino":
            write_openvino(made / ONNX_FILE, made)
        forward: Forward = import_module(f"services.zoo.runtimes.{runtime}").load(made, 1)
    except Exception as error:
        if isinstance(error, OSError) and is_full(error):
            raise  # that is not the runtime's fault
        # Exporters and runtimes raise their own kinds; what they say first is what is wrong.
        raise Unsupported(f"{runtime} cannot run it: {str(error).partition(chr(10))[0]}") from error
    return forward


def remove_others(made: Path, runtime: str) -> None:
    """Keep of a folder only what one runtime loads."""
    kept = {"torch": {".pt2"}, "openvino": {".xml", ".bin", ".blob"}, "onnxruntime": {".onnx", WEIGHTS_SUFFIX}}
    for path in made.iterdir():
        if path.suffix not in kept[runtime]:
            shutil.rmtree(path) if path.is_dir() else path.unlink()


def _scores(module: nn.Module, example: Images) -> Images:
    with torch.inference_mode():
        scores: Images = module(torch.from_numpy(example)).numpy()
    return scores


def _try(forward: Forward, example: Images, model_file: ModelFile, runtime: str) -> Images:
    try:
        scores = forward(example)
    except Exception as error:
        # Each runtime raises its own kinds; all mean that the program does not take this input.
        raise InvalidDeclaration(
            f"model '{model_file.name}' in {runtime} does not take a batch of {list(example.shape)}: {error}; "
            "export it with one float32 input [N, 3, H, W] and a dynamic N"
        ) from error
    if not np.isfinite(scores).all():
        raise InvalidWeights(f"model '{model_file.name}' in {runtime} answers NaN or infinity")
    if scores.dtype != np.float32:
        raise InvalidDeclaration(f"model '{model_file.name}' answers {scores.dtype}, expected float32")
    if scores.ndim != 2 or len(scores) != len(example):
        raise InvalidDeclaration(f"model '{model_file.name}' answers {list(scores.shape)}, expected scores [N, K]")
    return scores


def time_forwards(forwards: Mapping[str, Forward], batch: Images) -> dict[str, float]:
    """Take each runtime's best pass, in turns: a machine that is busy for a while is busy for all of them."""
    best_ms = dict.fromkeys(forwards, math.inf)
    for _ in range(_TIMED_PASSES):
        for name, forward in forwards.items():
            start = time.perf_counter()
            forward(batch)
            best_ms[name] = min(best_ms[name], 1e3 * (time.perf_counter() - start))
    return best_ms


def _write_manifest(
    model_file: ModelFile,
    digest: str,
    runtime: str,
    scores: int,
    batching: Batching,
    folder: Path,
    detection: DetectionSpec | None = None,
) -> None:
    labels, classes = model_file.label_names(), detection.heads[0].classes if detection else scores
    if labels and len(labels) != classes:
        raise InvalidDeclaration(f"model '{model_file.name}' has {classes} classes and {len(labels)} labels")
    Manifest(
        name=model_file.name,
        version=digest,
        runtime=runtime,
        input_name=INPUT_NAME,
        input_shape=(-1, 3, *model_file.input.size),
        output_name=OUTPUT_NAME,
        output_shape=(-1, scores),
        labels=labels,
        input_spec=model_file.input.spec(),
        parameters=model_file.parameters,
        precision=model_file.precision,
        batching=batching,
        detection=detection,
    ).write(folder)
