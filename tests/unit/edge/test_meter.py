"""What the process has used, asked in a process of its own: what other tests freed would be taken for new."""

import subprocess
import sys

_GROWS = """
from services.edge.meter import read_process
before = read_process()
held = bytearray(b"x") * 50_000_000
busy = sum(range(300_000))
after = read_process()
assert after.resident_bytes - before.resident_bytes > 40_000_000, len(held)
assert after.cpu_s > before.cpu_s, busy
assert after.wall_s > before.wall_s
"""


def test_cpu_time_grows_with_work_and_memory_with_what_is_held() -> None:
    done = subprocess.run([sys.executable, "-c", _GROWS], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
