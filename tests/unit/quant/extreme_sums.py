"""Layers of each kind that oneDNN has a kernel of its own for, with every product at its limit: are their sums right?

`python -m tests.unit.quant.extreme_sums VARIABLE=CAP...` says so under each cap on instructions, one a line.
"""

import json
import os
import sys

import torch

from quant.cpu import Cpu, this_cpu
from quant.engine import Engine
from quant.graph import INPUT, Graph, Layer
from quant.operations import Conv2d
from quant.precision import Precision
from quant.reference import compare
from services.edge.onednn import isa_cap
from tests.unit.quant.whole_ranges import whole_ranges


def convolution(
    channels: int, outputs: int, kernel: int, groups: int = 1, stride: int = 1, dilation: int = 1
) -> Conv2d:
    """Weights of both signs, but one sign a channel, so that its sums all grow one way, beyond 16 bits."""
    sign = 1.0 - 2 * (torch.arange(outputs) % 2).view(-1, 1, 1, 1)
    weight = sign.expand(outputs, channels // groups, kernel, kernel).clone()
    pad = kernel // 2
    return Conv2d(weight, torch.zeros(outputs), (stride, stride), (pad, pad), (dilation, dilation), groups)


def convolutions() -> dict[str, Conv2d]:
    """Made where they are run: weights that two threads fill before a fork leave the child without the second one."""
    return {
        "full": convolution(64, 64, 3),
        "few channels": convolution(3, 16, 3),
        "odd channels": convolution(37, 41, 3),
        "pixels": convolution(64, 64, 1),
        "deep pixels": convolution(512, 32, 1),
        "strided": convolution(64, 32, 3, stride=2),
        "dilated": convolution(64, 64, 3, dilation=2),
        "grouped": convolution(64, 64, 3, groups=4),
        "depthwise": convolution(64, 64, 3, groups=64),
        "5x5": convolution(16, 16, 5),
    }


def wrong_sums(cpu: Cpu) -> dict[str, int]:
    """How many sums of each convolution are wrong, run as for this processor."""
    found = {}
    for name, each in convolutions().items():
        channels = each.weight.shape[1] * each.groups
        x = torch.ones(1, channels, 9, 9)
        graph = Graph((channels, 9, 9), (Layer("a", each, (INPUT,)),), ("a",))
        engine = Engine(graph, {"a": Precision.INT8}, whole_ranges(graph, x), cpu=cpu)
        found[name] = compare(engine.layer("a"), x).wrong_accumulators
    return found


def _say(variable: str, cap: str) -> None:
    os.environ[variable] = cap
    cpu = this_cpu(isa_cap())
    eight_bits = wrong_sums(Cpu(cpu.isa, exact_8_bit=True))
    found = {"isa": cpu.isa, "bits": cpu.weight_bits, "wrong": wrong_sums(cpu), "wrong in 8 bits": eight_bits}
    print(json.dumps(found), flush=True)


if __name__ == "__main__":
    for assignment in sys.argv[1:]:
        # OneDNN reads its cap once, so each takes a process; forked, for importing torch takes longer than all of them.
        child = os.fork()
        if not child:
            _say(*assignment.split("="))
            os._exit(0)
        if os.waitpid(child, 0)[1]:
            sys.exit(f"under {assignment} the sums were not found")
