"""How far oneDNN may use the processor, read from the environment as oneDNN reads it."""

import os
from collections.abc import Mapping


def isa_cap(environment: Mapping[str, str] = os.environ) -> str | None:
    """The widest instructions that oneDNN may use, in lower case; None where nothing caps it.

    The older prefix counts where the newer one says nothing, and case does not count.
    Source: oneDNN 3.12, "CPU dispatcher control".
    """
    return (environment.get("ONEDNN_MAX_CPU_ISA") or environment.get("DNNL_MAX_CPU_ISA") or "").lower() or None
