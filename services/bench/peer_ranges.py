"""What the values of a network span, also within its folded layers: engines that do not fold need these too."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TypeAlias

import torch
from torch import Tensor

from quant.activation import Activation
from quant.graph import INPUT, Graph
from quant.operations import Region, Weighted, Yolo
from quant.scales import scale_groups

Ranges: TypeAlias = Mapping[str, tuple[float, float]]
"""Of each value its lowest and highest; NAME:product is a layer's before its residual is added and it is activated,
NAME:sum before it is activated."""


def ranges_of(graph: Graph, inputs: Iterable[Tensor]) -> Ranges:
    """Run a network in float and note what its values span; values that share their codes share what they span.

    Detection heads are left out, as engines leave them: such a layer gives what it takes.
    """
    found: dict[str, tuple[float, float]] = {}

    def note(name: str, value: Tensor) -> None:
        low, high = (float(end) for end in torch.aminmax(value))
        before = found.get(name, (0.0, 0.0))
        found[name] = min(low, before[0]), max(high, before[1])

    with torch.inference_mode():
        for x in inputs:
            values = {INPUT: x}
            note(INPUT, x)
            for layer in graph.layers:
                first, *others = (values[name] for name in layer.inputs)
                operation = layer.operation
                if isinstance(operation, Yolo | Region):
                    values[layer.name] = first
                    continue
                if isinstance(operation, Weighted):
                    product = replace(operation, activation=Activation.NONE).run(first)
                    note(f"{layer.name}:product", product)
                    note(f"{layer.name}:sum", product + others[0] if others else product)
                values[layer.name] = operation.run(first, *others)
                note(layer.name, values[layer.name])
    for name, leader in scale_groups(graph).items():
        if name in found and leader in found:
            found[leader] = min(found[leader][0], found[name][0]), max(found[leader][1], found[name][1])
    return found | {name: found[leader] for name, leader in scale_groups(graph).items() if leader in found}
