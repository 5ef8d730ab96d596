"""What the README tells people to type works, in its order, from the project's root.

The block for a cluster is run in tests/cluster.
"""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
MAKEFILE = (ROOT / "Makefile").read_text()


def lines(kind: str) -> list[str]:
    """The commands of the fenced blocks of one kind, comments cut off."""
    blocks = re.findall(rf"^```{kind}\n(.*?)^```", README, flags=re.M | re.S)
    return [line.split("  #")[0].strip() for block in blocks for line in block.splitlines() if line.strip()]


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("state")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    chosen = {**os.environ, "PATH": path, "STRATA_STATE": str(folder), "STRATA_CACHE": str(folder / "cache")}
    yield chosen
    subprocess.run(["strata", "serve", "stop"], env=chosen, cwd=ROOT, capture_output=True)


def test_the_first_lines_are_make_run_and_make_test() -> None:
    assert [line.split()[:2] for line in lines("sh")[:2]] == [["make", "run"], ["make", "test"]]


@pytest.mark.parametrize("line", [line for kind in ("sh", "sh cluster") for line in lines(kind) if line[:5] == "make "])
def test_every_make_target_exists(line: str) -> None:
    assert re.search(rf"^{line.split()[1]}:", MAKEFILE, flags=re.M)


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_every_strata_command_succeeds(environment: dict[str, str]) -> None:
    commands = [line for line in lines("sh") if line.startswith("strata ")]
    assert len(commands) > 5
    for written in commands:
        # On any free port: another service may run where this is tested.
        line = written.replace("serve start", "serve start --http 127.0.0.1:0 --grpc 127.0.0.1:0")
        done = subprocess.run(line, shell=True, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
        assert done.returncode == 0, f"{line}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


def test_every_link_leads_somewhere() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
