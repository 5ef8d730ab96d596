"""What README.md and the guides in docs tell people to type works, in its order, from the project's root.

The block for a cluster is run in tests/cluster; Ray is in tests/contract.
"""

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from typer.testing import CliRunner

from services.cli.app import app

ROOT = Path(__file__).resolve().parents[2]
MAKEFILE = (ROOT / "Makefile").read_text()


def blocks(text: str, kind: str) -> list[str]:
    """The fenced blocks of one kind."""
    return re.findall(rf"^```{kind}\n(.*?)^```", (ROOT / text).read_text(), flags=re.M | re.S)


def commands(text: str, kind: str) -> list[str]:
    """The commands of the blocks of one kind, comments cut off; a here-document stays with its command."""
    found = re.findall(r"^[^\n]*<<'END'\n.*?^END$|^[^\n]+$", "\n".join(blocks(text, kind)), flags=re.M | re.S)
    return [each.split("  #")[0].strip() for each in found]


def strata_commands(text: str) -> list[str]:
    return [each for each in commands(text, "sh") if re.match(r"([A-Z_]+=\S+ )*strata |printf .*\| strata ", each)]


def runs_elsewhere(line: str) -> bool:
    """A load test, which takes its quarter of a minute, that another guide has with more options."""
    guides = ("README.md", "docs/load-tests.md")
    return line.startswith("strata load ") and any(
        other.startswith(f"{line} --") for text in guides for other in strata_commands(text)
    )


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("state")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    chosen = {**os.environ, "PATH": path, "STRATA_STATE": str(folder), "STRATA_CACHE": str(folder / "cache")}
    yield chosen
    subprocess.run(["strata", "serve", "stop"], env=chosen, cwd=ROOT, capture_output=True)


def test_the_first_lines_are_make_run_and_make_test() -> None:
    assert [line.split()[:2] for line in commands("README.md", "sh")[:2]] == [["make", "run"], ["make", "test"]]


@pytest.mark.parametrize(
    "line", [line for kind in ("sh", "sh cluster") for line in commands("README.md", kind) if line[:5] == "make "]
)
def test_every_make_target_exists(line: str) -> None:
    assert re.search(rf"^{line.split()[1]}:", MAKEFILE, flags=re.M)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("text", "at_least"), [("README.md", 15), ("docs/load-tests.md", 3), ("docs/quant.md", 5), ("docs/pipelines.md", 5)]
)
def test_every_strata_command_succeeds(
    text: str, at_least: int, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In this process, for torch takes longer to load than they take to run; but for what leaves a process behind."""
    monkeypatch.chdir(ROOT)
    found = strata_commands(text)
    assert len(found) >= at_least
    for written in found:
        if runs_elsewhere(written):
            continue
        # On any free port: another service may run where this is tested.
        line = written.replace("serve start", "serve start --http 127.0.0.1:0 --grpc 127.0.0.1:0")
        head, _, script = line.replace("/tmp/", f"{tmp_path}/").partition("\n")
        words = shlex.split(head.removesuffix("<<'END'"))
        at = words.index("strata")
        if words[0] == "printf":
            script = words[1].replace("\\n", "\n")
        if words[at + 1 : at + 3] == ["serve", "start"]:
            started = subprocess.run(line, shell=True, env=environment, capture_output=True, text=True, timeout=300)
            assert started.returncode == 0, f"{line}\n{started.stdout[-2000:]}\n{started.stderr[-2000:]}"
            continue
        settings = dict(word.split("=", 1) for word in words[:at] if "=" in word)
        done = CliRunner().invoke(
            app, words[at + 1 :], input=script.removesuffix("END"), env={**environment, **settings}
        )
        # A load test says by itself where this machine had no room to send in time: then it proves nothing.
        if done.exit_code == 3 and "the generator did not keep its own schedule" in done.output:
            continue
        assert done.exit_code == 0, f"{head}\n{done.output[-2000:]}\n{done.exception!r}"


@pytest.mark.slow
def test_every_python_block_of_the_quantisation_guide_runs(capsys: pytest.CaptureFixture[str]) -> None:
    found = blocks("docs/quant.md", "python")
    assert found
    for block in found:
        exec(compile(block, "docs/quant.md", "exec"), {})
    assert " dB, total " in capsys.readouterr().out


@pytest.mark.slow
def test_the_client_of_the_workbenchs_guide_runs(
    environment: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    (client,) = blocks("docs/workbench.md", "python")
    (command,) = strata_commands("docs/workbench.md")
    words = [*shlex.split(command.replace(":9100", ":0")), "--store", str(tmp_path)]
    with subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) as served:
        assert served.stdout is not None
        (address,) = re.findall(r"127\.0\.0\.1:\d+", served.stdout.readline())
        exec(compile(client.replace("127.0.0.1:9100", address), "docs/workbench.md", "exec"), {})
        served.terminate()
    assert served.returncode == 0
    assert re.search(r"% of the value changed\n(.*: own .* dB\n){20,}\d+\.\d ms", capsys.readouterr().out)
