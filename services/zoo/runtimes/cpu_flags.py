"""What this CPU can do: a program that an engine makes for it runs on no other."""

from functools import cache
from pathlib import Path


@cache
def cpu_flags(cpu_info: Path = Path("/proc/cpuinfo")) -> str:
    """The line of its first core that names its instruction set; empty where the kernel has none."""
    return next((line for line in cpu_info.read_text().splitlines() if line.startswith("flags")), "")
