"""Whether a chain of stages answers as the whole model does: to the last bit in torch, to rounding elsewhere."""

import copy
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import nn

from services.bench.pipeline_subject import Figures, PipelineSubject
from services.zoo.agreement import Images
from services.zoo.compile import load_module
from services.zoo.cuts import Cut, find_cuts
from services.zoo.serving import load_forward
from services.zoo.split import split
from services.zoo.stage_manifest import StageManifest

MODELS = (
    *("alexnet", "alexnet-3c4f", "efficientnet-b0", "mobilenet-v2", "nasnet-a-mobile", "resnet-18", "resnet-50"),
    "vgg-16",
)
OTHER_RUNTIMES = ("onnxruntime", "openvino")
_PICTURES = 3
_SAMPLED_CUTS = 8


def exact(subject: PipelineSubject) -> Iterator[Figures]:
    """The share of outputs that are the whole model's bit for bit, over models and cuts; the worst error elsewhere.

    Beside it is what float32 itself loses: the whole model's error against torch in float64, in each runtime.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    same: list[bool] = []
    errors: dict[tuple[str, str], float] = {}
    try:
        for name in MODELS[:2] if subject.quick else MODELS:
            model_file = subject.model(name)
            subject.progress(f"exact: {name}")
            module = load_module(model_file)
            graph = find_cuts(module, model_file.input.size)
            generator = np.random.default_rng(0)
            values = generator.standard_normal((_PICTURES, 3, *model_file.input.size), np.float32)
            whole = _run([module], values)
            chains = [_run(split(graph, cuts), values) for cuts in sampled(graph.cuts)]
            chains.append(_compiled(subject.stages(name, "torch"), values))
            own = [np.array_equal(row, expected) for each in chains for row, expected in zip(each, whole, strict=True)]
            yield {f"exact.{name}": sum(own) / len(own)}
            same += own
            precise = _run([copy.deepcopy(module).double()], values.astype(np.float64))
            yield {f"rounding_error.torch.{name}": _relative_error(whole, precise)}
            for runtime in OTHER_RUNTIMES:
                in_one = _compiled(subject.whole(name, runtime), values)
                error = _relative_error(_compiled(subject.stages(name, runtime), values), in_one)
                errors[name, runtime] = error
                yield {f"exact.error.{runtime}.{name}": error}
                yield {f"rounding_error.{runtime}.{name}": _relative_error(in_one, precise)}
    finally:
        torch.set_num_threads(threads)
    yield {"exact": sum(same) / len(same), "exact.error": max(errors.values())}


def sampled(cuts: Sequence[Cut]) -> list[tuple[Cut, ...]]:
    """Cut at some places, one at a time, evenly spread from the first to the last; and at all places at once."""
    count = min(_SAMPLED_CUTS, len(cuts))
    places = {round(number * (len(cuts) - 1) / max(1, count - 1)) for number in range(count)}
    return [*((cuts[place],) for place in sorted(places)), tuple(cuts)]


def _run(modules: Sequence[nn.Module], values: Images) -> Images:
    with torch.inference_mode():
        passing = torch.from_numpy(values)
        for module in modules:
            passing = module(passing)
        found: Images = passing.numpy()
    return found


def _compiled(stages: Sequence[Path], values: Images) -> Images:
    """Through compiled stages, each as its service loads it."""
    for folder in stages:
        values = load_forward(StageManifest.read(folder).runtime, folder, 1)(values)
    return values


def _relative_error(found: Images, expected: Images) -> float:
    return float(np.abs(found - expected).max() / np.abs(expected).max())
