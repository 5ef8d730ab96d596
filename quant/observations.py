"""What one float pass over the pictures leaves behind for calibration: bounded memory, whatever their number."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from quant.errors import EmptyCalibration, NonFiniteValue
from quant.graph import INPUT, Graph, Layer
from quant.histogram import RunningHistogram
from quant.operations import Linear, Weighted
from quant.precision import Precision, supports
from quant.scales import scale_groups
from quant.statistics import evenly

_FIRST_SAMPLE, _LATER_SAMPLE = 1 << 17, 1 << 14
"""Elements counted of each value in the first picture and in late ones: few pictures are looked at closely."""
_KEPT_BATCHES, _KEPT_ELEMENTS = 4, 1 << 14


@dataclass(frozen=True, eq=False)
class Observations:
    """Of a graph and some pictures.

    Attributes:
        histograms: of each value that can be codes and that its layer computes (not just passes on), over all pictures.
        samples: of each such value some elements of the first pictures, flat.
        inputs: of each weighted layer, crops [<= 4, C, h, w] (or [<= 4, C]) of its input, one a batch; each gives the
            layer at least one output.
        groups: of each value that can be codes, its group's leader.
        pictures: how many were seen.
    """

    histograms: Mapping[str, RunningHistogram]
    samples: Mapping[str, Tensor]
    inputs: Mapping[str, Tensor]
    groups: Mapping[str, str]
    pictures: int


def observe(graph: Graph, pictures: Iterable[Tensor]) -> Observations:
    """Run the pictures once in float and keep histograms, samples and crops.

    Args:
        pictures: batches [N, C, H, W], float32; at least one.
    Raises:
        EmptyCalibration: there was none.
        NonFiniteValue: a value holds NaN or infinity; names it.
    """
    groups = scale_groups(graph)
    samples: dict[str, list[Tensor]] = {name: [] for name in _coded(graph, groups)}
    histograms = {name: RunningHistogram() for name in samples}
    operations = {layer.name: layer.operation for layer in graph.layers if isinstance(layer.operation, Weighted)}
    inputs: dict[str, list[Tensor]] = {name: [] for name in operations}
    # A layer's second input is what is added to its product, and plays no part in choosing weights.
    readers = {
        name: [reader for reader in read_by if reader in inputs and graph.layer(reader).inputs[0] == name]
        for name, read_by in graph.consumers.items()
    }
    seen = 0
    with torch.inference_mode():
        for number, batch in enumerate(pictures):
            limit = max(_LATER_SAMPLE, _FIRST_SAMPLE // (number + 1))
            for name, value in _values(graph, batch.contiguous(memory_format=torch.channels_last)):
                if name in samples:
                    _count(histograms[name], name, value, limit)
                if number < _KEPT_BATCHES:
                    if name in samples:
                        samples[name].append(evenly(value, _LATER_SAMPLE).clone())
                    for reader in readers[name]:
                        inputs[reader].append(_crop(value[:1], operations[reader]))
            seen += len(batch)
    computed = {groups[name] for name in samples}
    if not seen:
        raise EmptyCalibration("calibration needs at least one picture, and there was none")
    return Observations(
        histograms,
        {name: torch.cat(parts) for name, parts in samples.items()},
        {name: torch.cat(parts) for name, parts in inputs.items()},
        {name: leader for name, leader in groups.items() if leader in computed},
        seen,
    )


def weighted_layers(graph: Graph) -> Iterator[Layer]:
    """The convolutions and linear layers, in order."""
    return (layer for layer in graph.layers if isinstance(layer.operation, Weighted))


def _coded(graph: Graph, groups: Mapping[str, str]) -> Iterator[str]:
    """The input and every value that is made as codes or read as codes, and is not just codes passed on."""
    yield INPUT
    for layer in graph.layers:
        passed_on = groups[layer.name] == groups[layer.inputs[0]]
        readers = (graph.layer(reader) for reader in graph.consumers[layer.name])
        if not passed_on and any(supports(each.operation, Precision.INT8) for each in (layer, *readers)):
            yield layer.name


def _values(graph: Graph, x: Tensor) -> Iterator[tuple[str, Tensor]]:
    yield INPUT, x
    yield from graph.values(x)


def _count(histogram: RunningHistogram, name: str, value: Tensor, limit: int) -> None:
    try:
        histogram.add(value, limit)
    except NonFiniteValue:
        raise NonFiniteValue(f"the value {name!r} holds NaN or infinity; look at the weights of its layer") from None


def _crop(value: Tensor, operation: Weighted) -> Tensor:
    """The middle of a feature map, small enough to keep and never less than one window; a vector is kept whole."""
    if isinstance(operation, Linear):
        return value.clone()
    _, C, H, W = value.shape
    side = int((_KEPT_ELEMENTS / C) ** 0.5)
    window_h, window_w = operation.window
    height, width = min(H, max(side, window_h)), min(W, max(side, window_w))
    top, left = (H - height) // 2, (W - width) // 2
    return value[:, :, top : top + height, left : left + width].clone(memory_format=torch.channels_last)
