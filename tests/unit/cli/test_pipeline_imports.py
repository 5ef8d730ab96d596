"""What commands load before they have work."""

import subprocess
import sys

PROGRAM = "import sys, services.cli.pipeline_run as _; print(*{'simpy', 'matplotlib'} & sys.modules.keys())"


def test_a_run_without_a_plan_needs_no_simulator() -> None:
    """The images that runs are submitted in have none."""
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True)
    assert done.stdout == "\n", done.stderr or done.stdout
