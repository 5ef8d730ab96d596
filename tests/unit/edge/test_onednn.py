import pytest

from services.edge.onednn import isa_cap


@pytest.mark.parametrize(
    ("environment", "cap"),
    [
        ({}, None),
        ({"ONEDNN_MAX_CPU_ISA": ""}, None),
        ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, "avx2"),
        ({"ONEDNN_MAX_CPU_ISA": "Avx512_Core"}, "avx512_core"),
        ({"DNNL_MAX_CPU_ISA": "AVX2"}, "avx2"),
        ({"ONEDNN_MAX_CPU_ISA": "", "DNNL_MAX_CPU_ISA": "AVX2"}, "avx2"),
        ({"ONEDNN_MAX_CPU_ISA": "AVX512_CORE", "DNNL_MAX_CPU_ISA": "AVX2"}, "avx512_core"),
    ],
)
def test_the_cap_is_read_as_onednn_reads_it(environment: dict[str, str], cap: str | None) -> None:
    assert isa_cap(environment) == cap
