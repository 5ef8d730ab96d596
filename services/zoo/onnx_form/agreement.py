"""How a runtime's codes compare with the engine's: each layer on the very inputs that the runtime gave it."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from quant.affine import QParams, Quantised, Value
from services.zoo.onnx_form.part import EnginePart, coded

Floats = NDArray[np.float32]

FEW = 1e-3
"""Share of the codes that may differ and be no ties; a hundred times what was seen (docs/quant.md)."""
TIE = 0.01
"""So near to half way between two codes, in codes, is a tie: float32's last bits are worth a tenth of that."""


@dataclass(frozen=True)
class CodeErrors:
    """Of all layers that give codes.

    Attributes:
        codes: how many were compared.
        differing: how many of them differ at all.
        ties: of these, how many lie half way between two codes in the engine. In some layers that is no accident: the
            hard sigmoid makes 127.5 codes of each value that is 0.
        largest: the largest difference, in codes; `layer` is where it is.
    """

    codes: int
    differing: int
    ties: int
    largest: int
    layer: str

    @property
    def only_ties(self) -> bool:
        """Codes differ by one, and all but few lie half way between two, where float32's last bit decides."""
        return self.largest <= 1 and self.differing - self.ties <= FEW * self.codes


def compare_codes(part: EnginePart, x: Tensor, found: Mapping[str, Floats]) -> CodeErrors:
    """Run each layer of an engine, or of a part of one, on a runtime's values, and compare what both make of them.

    Args:
        x: [N, ...], what the runtime was given.
        found: of each layer its value in the runtime, float32 [N, ...], as a program gives them that has all watched.
    """
    values: dict[str, Value] = {part.entry: part.enter(x)}
    count = differing = ties = largest = 0
    worst = ""
    for prepared in part.layers:
        theirs = torch.from_numpy(found[prepared.name].copy())
        inputs = [values[name] for name in prepared.layer.inputs]
        ours = prepared.run(*inputs)
        values[prepared.name] = theirs if prepared.output is None else coded(theirs, prepared.output)
        if isinstance(ours, Quantised):
            apart = (ours.codes.to(torch.int16) - coded(theirs, ours.qparams).codes.to(torch.int16)).abs()
            differs = apart > 0
            count, differing = count + differs.numel(), differing + int(differs.sum())
            if differs.any():
                ties += int(_are_ties(prepared.uncoded(*inputs)[differs], ours.qparams).sum())
            if int(apart.max()) > largest:
                largest, worst = int(apart.max()), prepared.name
    return CodeErrors(count, differing, ties, largest, worst)


def _are_ties(values: Tensor, qparams: QParams) -> Tensor:
    """Which of an engine's values lie half way between two codes."""
    steps = values.double() / qparams.scale
    return (steps - steps.floor() - 0.5).abs() <= TIE
