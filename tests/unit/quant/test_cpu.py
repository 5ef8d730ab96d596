"""The self-test finds out by multiplying; what oneDNN is told to leave unused, only a new process obeys."""

import os
import subprocess
import sys

import pytest
import torch

from quant.cpu import Cpu, this_cpu

PROGRAM = """
import sys, torch
torch.set_num_threads(1)
from quant.calibration import calibrate
from quant.cpu import this_cpu
from quant.engine import Engine
from quant.graph import INPUT, Graph, Layer
from quant.observations import observe
from quant.operations import Conv2d
from quant.precision import Precision
from quant.reference import compare
cpu = this_cpu(sys.argv[1])
torch.manual_seed(0)
x = torch.rand(1, 64, 8, 8)
conv = Conv2d(torch.randn(64, 64, 3, 3), torch.zeros(64), padding=(1, 1))
graph = Graph((64, 8, 8), (Layer("a", conv, (INPUT,)),), ("a",))
engine = Engine(graph, {"a": Precision.INT8}, calibrate(graph.layers, observe(graph, [x]), "minmax").calibration)
print(cpu.isa, cpu.exact_8_bit, cpu.weight_bits, compare(engine.layer("a"), x).wrong_accumulators)
"""


def under_cap(cap: str) -> list[str]:
    environment = os.environ | {"ONEDNN_MAX_CPU_ISA": cap}
    ran = subprocess.run([sys.executable, "-c", PROGRAM, cap], env=environment, capture_output=True, check=True)
    return ran.stdout.decode().split()


def test_this_processor_has_a_name_and_a_verdict() -> None:
    cpu = this_cpu()
    assert cpu.isa in {"AMX-INT8", "AVX512-VNNI", "AVX512", "AVX2-VNNI", "AVX2", "other"}
    assert cpu.weight_bits == (8 if cpu.exact_8_bit else 7)


@pytest.mark.skipif(not torch.cpu.get_capabilities().get("avx2"), reason="needs an x86 processor with AVX2")
def test_without_vnni_eight_bits_are_refused_and_seven_are_exact() -> None:
    assert under_cap("AVX2") == ["AVX2", "False", "7", "0"]


@pytest.mark.skipif(not torch.cpu.get_capabilities().get("avx512_vnni"), reason="needs an x86 processor with VNNI")
def test_with_vnni_eight_bits_are_exact() -> None:
    assert under_cap("AVX512_CORE_VNNI") == ["AVX512-VNNI", "True", "8", "0"]


def test_seven_bits_are_said() -> None:
    assert Cpu("AVX2", exact_8_bit=False).weight_bits == 7
