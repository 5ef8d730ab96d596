"""The self-test finds out by multiplying; what oneDNN has to leave unused, only a new process obeys."""

import json
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from quant.cpu import Cpu, this_cpu
from services.edge.onednn import isa_cap
from tests.unit.quant.extreme_sums import wrong_sums

CAPABILITIES = torch.cpu.get_capabilities()
needs_avx2 = pytest.mark.skipif(not CAPABILITIES.get("avx2"), reason="needs an x86 processor with AVX2")
needs_avx512 = pytest.mark.skipif(not CAPABILITIES.get("avx512_bw"), reason="needs an x86 processor with AVX-512")
needs_vnni = pytest.mark.skipif(not CAPABILITIES.get("avx512_vnni"), reason="needs an x86 processor with AVX512-VNNI")


@pytest.fixture(scope="module")
def under() -> dict[str, Any]:
    """What the instructions that each cap allows make of the sums."""
    caps = ("DNNL_MAX_CPU_ISA=avx2", "ONEDNN_MAX_CPU_ISA=Avx512_Core", "ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI")
    environment = {name: value for name, value in os.environ.items() if not name.endswith("_MAX_CPU_ISA")}
    command = [sys.executable, "-m", "tests.unit.quant.extreme_sums", *caps]
    ran = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return dict(zip(caps, map(json.loads, ran.stdout.splitlines()), strict=True))


def test_this_processor_has_a_name_and_a_verdict() -> None:
    cpu = this_cpu()
    assert cpu.isa in {"AMX-INT8", "AVX512-VNNI", "AVX512", "AVX2-VNNI", "AVX2", "other"}
    assert cpu.weight_bits == (8 if cpu.exact_8_bit else 7)


def test_every_kind_of_convolution_is_exact_on_this_processor() -> None:
    assert set(wrong_sums(this_cpu(isa_cap())).values()) == {0}


@pytest.mark.parametrize(
    ("cap", "isa"),
    [
        pytest.param("DNNL_MAX_CPU_ISA=avx2", "AVX2", marks=needs_avx2),
        pytest.param("ONEDNN_MAX_CPU_ISA=Avx512_Core", "AVX512", marks=needs_avx512),
    ],
)
def test_without_vnni_seven_bits_are_chosen_and_exact_where_eight_are_not(
    cap: str, isa: str, under: dict[str, Any]
) -> None:
    found = under[cap]
    assert (found["isa"], found["bits"]) == (isa, 7)
    assert set(found["wrong"].values()) == {0}
    assert found["wrong in 8 bits"]["full"] > 0


@needs_vnni
def test_with_vnni_eight_bits_are_chosen_and_exact(under: dict[str, Any]) -> None:
    found = under["ONEDNN_MAX_CPU_ISA=AVX512_CORE_VNNI"]
    assert (found["isa"], found["bits"]) == ("AVX512-VNNI", 8)
    assert set(found["wrong"].values()) == {0}


@pytest.mark.parametrize("cap", ["all", "default", "no such set"])
def test_a_cap_that_onednn_does_not_know_caps_nothing(cap: str) -> None:
    assert this_cpu(cap) == this_cpu()


@pytest.mark.parametrize("cap", ["avx", "sse41"])
def test_below_avx2_no_set_has_a_name(cap: str) -> None:
    assert this_cpu(cap).isa == "other"


def test_seven_bits_are_said() -> None:
    assert Cpu("AVX2", exact_8_bit=False).weight_bits == 7
