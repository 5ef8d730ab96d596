"""What this processor multiplies 8-bit numbers with, and whether it does so exactly."""

from dataclasses import dataclass
from functools import cache

import torch

from quant.affine import QParams
from quant.kernels.products import FLOAT_OUT, NO_POST_OP, ConvProduct
from quant.operations import Conv2d

# widest first: our name, torch's capability, oneDNN's names for a cap that still allows it
_ISAS = (
    ("AMX-INT8", "amx_int8", ("avx512_core_amx", "avx512_core_amx_fp16", "avx10_1_512_amx", "avx10_1_512_amx_fp16")),
    ("AVX512-VNNI", "avx512_vnni", ("avx512_core_vnni", "avx512_core_bf16", "avx512_core_fp16", "avx10_1_512")),
    ("AVX512", "avx512_bw", ("avx512_core",)),
    ("AVX2-VNNI", "avx_vnni", ("avx2_vnni", "avx2_vnni_2")),
    ("AVX2", "avx2", ("avx2",)),
    ("other", "", ("avx", "sse41")),
)


@dataclass(frozen=True)
class Cpu:
    """A processor as the integer kernels see it.

    Attributes:
        isa: the widest 8-bit instructions: AMX-INT8, AVX512-VNNI, AVX512, AVX2-VNNI, AVX2 or other.
        exact_8_bit: sums with 8-bit weights are exact. Where they are not, products saturate in pairs at 16 bits
            without a word, and only 7-bit weights (-63..63) are exact.
    """

    isa: str
    exact_8_bit: bool

    @property
    def tiles(self) -> bool:
        """Whether it multiplies tiles of matrices: then copying is what a convolution costs."""
        return self.isa == "AMX-INT8"

    @property
    def weight_bits(self) -> int:
        """8, or 7 where 8 are not exact."""
        return 8 if self.exact_8_bit else 7


@cache
def this_cpu(isa_cap: str | None = None) -> Cpu:
    """Name the instruction set, and find out by multiplying whether 8-bit sums are exact.

    Args:
        isa_cap: oneDNN's cap, which the caller knows (`services.edge.onednn`); it changes the name only. A cap that
            oneDNN does not know leaves everything allowed, there as here.
    """
    return Cpu(_isa(isa_cap), _sums_are_exact())


def _isa(isa_cap: str | None) -> str:
    capabilities = torch.cpu.get_capabilities()
    allowed = not any(isa_cap in caps for _, _, caps in _ISAS)
    for name, capability, caps in _ISAS:
        allowed = allowed or isa_cap in caps
        if allowed and capabilities.get(capability):
            return name
    return "other"


def _sums_are_exact() -> bool:
    """The worst case for saturation: every code at its limit, so that neighbouring products add up beyond 16 bits."""
    channels = 64
    ones = torch.ones(channels)
    x = torch.full((1, channels, 4, 4), 255, dtype=torch.uint8).contiguous(memory_format=torch.channels_last)
    for code in (127, -127):
        codes = torch.full((channels, channels, 3, 3), code, dtype=torch.int8)
        conv = Conv2d(codes.float(), torch.zeros(channels))
        product = ConvProduct(conv, codes, QParams(1.0, 0), (channels, 4, 4))
        sums = product(x, 1.0, ones, None, FLOAT_OUT, NO_POST_OP)
        if not bool((sums == 255 * code * channels * 9).all()):
            return False
    return True
