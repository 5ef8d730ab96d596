"""`strata serve` as a user runs it: a command that starts, is found, answers, and stops."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from services.local.models import find_model_process
from services.local.running import find_running, is_running, state_folder
from tests.contract.command import run_strata as strata

ROOT = Path(__file__).resolve().parents[2]
SLEEPERS = ROOT / "examples" / "measure" / "sleepers.yaml"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    folder = tmp_path_factory.mktemp("state")
    chosen = {**os.environ, "STRATA_STATE": str(folder), "STRATA_CACHE": str(folder / "cache"), "NO_COLOR": "1"}
    yield chosen
    strata(chosen, "serve", "stop")


@pytest.fixture(scope="module")
def address(environment: dict[str, str]) -> str:
    """The address on the last line of `serve start`."""
    ports = ("--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    # From a process of its own: what `serve start` leaves behind must not be this process's child.
    command = [sys.executable, "-m", "services.cli", "serve", "start", str(SLEEPERS), *ports]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


def test_a_started_service_is_ready_and_status_gives_the_same_address(
    environment: dict[str, str], address: str
) -> None:
    assert httpx.get(f"{address}/readyz").status_code == 200
    assert strata(environment, "serve", "status").stdout.splitlines()[-1] == address
    said = json.loads(strata(environment, "serve", "status", "--json").stdout)
    assert (f"http://{said['http_address']}", said["ensembles"]) == (address, ["sleepers"])


def test_the_first_request_is_answered_by_every_member(address: str) -> None:
    picture = ROOT / "examples" / "fashion" / "pictures" / "Sandal" / "00008.png"
    answer = httpx.post(f"{address}/v1/ensembles/sleepers:predict", content=picture.read_bytes(), timeout=30)
    assert answer.status_code == 200, answer.text
    assert {member["state"] for member in answer.json()["members"]} == {"answered"}
    assert max(member["latency_ms"] for member in answer.json()["members"]) < answer.json()["latency_ms"] + 1


def test_a_model_that_has_ended_is_woken(environment: dict[str, str], address: str) -> None:
    running = find_running(state_folder(environment))
    assert running
    process = find_model_process(running.pid, "sleep-60")
    assert process
    os.kill(process, signal.SIGKILL)
    done = strata(environment, "wake", "sleepers", "--json")
    assert done.returncode == 0, done.stderr
    assert {each["model"]: each["error"] for each in json.loads(done.stdout)} == {
        "sleep-100": "",
        "sleep-60": "",
        "sleep-40": "",
    }
    assert find_model_process(running.pid, "sleep-60") not in (None, process)
    assert strata(environment, "wake", "none").returncode == 2
    del address


def test_a_second_start_leaves_the_first_alone(environment: dict[str, str], address: str) -> None:
    done = strata(environment, "serve", "start", str(SLEEPERS))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (0, address)
    assert "runs already" in done.stdout


def test_a_second_service_in_the_foreground_is_refused(environment: dict[str, str], address: str) -> None:
    done = strata(environment, "serve", "run", str(SLEEPERS), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    assert done.returncode == 1
    assert "serves already with the state folder" in done.stderr
    assert strata(environment, "serve", "status").stdout.splitlines()[-1] == address


def test_faults_of_the_ensemble_file_are_reported_with_exit_code_2(environment: dict[str, str], tmp_path: Path) -> None:
    missing = strata(environment, "serve", "start", str(tmp_path / "none.yaml"))
    assert (missing.returncode, "no such ensemble file" in missing.stderr) == (2, True)
    typo = tmp_path / "typo.yaml"
    typo.write_text("name: x\nmembers: [{model: sleep-100}]\nrul: mean\n")
    started = strata(environment, "serve", "start", str(typo))
    assert (started.returncode, f"InvalidDeclaration: {typo}" in started.stderr) == (2, True)
    # On any free ports: a service may run where this is tested.
    done = strata(environment, "serve", "run", str(typo), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    assert (done.returncode, "did you mean 'rule'" in done.stderr) == (2, True)


@pytest.mark.parametrize("option", ["--http", "--grpc"])
@pytest.mark.parametrize("address", ["foo", "127.0.0.1:99999"])
def test_what_is_no_address_is_named_with_exit_code_2(environment: dict[str, str], option: str, address: str) -> None:
    done = strata({**environment, "COLUMNS": "200"}, "serve", "run", str(SLEEPERS), option, address)
    assert done.returncode == 2, done.stderr
    assert f"'{address}' is not host:port" in done.stderr
    assert option in done.stderr


def test_a_state_folder_that_cannot_be_is_named(environment: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    state = {**environment, "STRATA_STATE": str(tmp_path / "file/state")}
    done = strata(state, "serve", "start", str(SLEEPERS), "--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0")
    assert done.returncode == 1
    assert f"Unavailable: {tmp_path / 'file/state'}: cannot keep notes and logs here" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("option", ["--http", "--grpc"])
def test_a_port_that_is_taken_is_named_with_what_to_do(environment: dict[str, str], option: str) -> None:
    ports = {"--http": "127.0.0.1:0", "--grpc": "127.0.0.1:0"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        ports[option] = f"127.0.0.1:{taken.getsockname()[1]}"
        state = {**environment, "STRATA_STATE": f"{environment['STRATA_STATE']}/taken"}
        done = strata(state, "serve", "start", str(SLEEPERS), *(word for pair in ports.items() for word in pair))
    assert done.returncode == 1, done.stderr
    assert f"cannot listen on {ports[option]}: Address already in use; choose another with --http" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_signal_ends_it_while_it_compiles_and_leaves_nothing_half_done(
    environment: dict[str, str], tmp_path: Path
) -> None:
    options = ["--http", "127.0.0.1:0", "--grpc", "127.0.0.1:0"]
    command = [sys.executable, "-m", "services.cli", "serve", "run", str(SLEEPERS.with_name("full.yaml")), *options]
    chosen = {**environment, "STRATA_STATE": str(tmp_path), "STRATA_CACHE": str(tmp_path / "cache")}
    with subprocess.Popen(command, env=chosen, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr
        while "compiling" not in (line := process.stderr.readline()):
            assert line, "it ended before it compiled anything"
        process.terminate()
        _, log = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "Traceback" not in log
    assert list((tmp_path / "cache").iterdir()) == []


def test_stop_leaves_a_process_alone_that_is_not_the_service(environment: dict[str, str], tmp_path: Path) -> None:
    note = {"http_address": "127.0.0.1:1", "grpc_address": "127.0.0.1:2", "ensembles": ["x"], "log": "none"}
    with subprocess.Popen(["sleep", "60"]) as other:
        (tmp_path / "serve.json").write_text(json.dumps({**note, "pid": other.pid, "began": 1}))
        assert strata({**environment, "STRATA_STATE": str(tmp_path)}, "serve", "stop").stdout == "Nothing is served.\n"
        assert other.poll() is None
        other.kill()


def test_stop_ends_it_and_status_says_so(environment: dict[str, str], address: str) -> None:
    service = find_running(state_folder(environment))
    assert service
    assert strata(environment, "serve", "stop").stdout == "Stopped.\n"
    assert not is_running(service)
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{address}/readyz")
    assert strata(environment, "serve", "status").returncode == 1
    said = strata(environment, "serve", "status", "--json")
    assert (said.returncode, said.stdout) == (1, "")
    assert "strata serve start" in said.stderr


def test_receipts_say_what_was_asked_and_what_is_on_no_receipt(environment: dict[str, str], address: str) -> None:
    del address  # served by then, and stopped by the test before
    done = strata(environment, "receipts", "--by", "model,user", "--json")
    assert done.returncode == 0, done.stderr
    sums = json.loads(done.stdout)
    assert {group["model"] for group in sums["groups"]} == {"sleep-100", "sleep-60", "sleep-40"}
    total, unclaimed = sums["total"]["allocation"], sums["unclaimed"]
    # The models ended with the service, and said what they had spent after their last answers.
    assert unclaimed["gb_seconds"] > 0
    claimed = sum(group["allocation"]["cpu_seconds"] for group in sums["groups"])
    assert total["cpu_seconds"] == pytest.approx(claimed + unclaimed["cpu_seconds"])
    assert "unclaimed" in strata(environment, "receipts").stdout
    assert strata(environment, "receipts", "--by", "colour").returncode == 2
