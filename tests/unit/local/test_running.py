import fcntl
import json
import os
import subprocess
from dataclasses import asdict
from pathlib import Path

import pytest

from services.edge.errors import Unavailable
from services.local.process_status import Process
from services.local.running import (
    Running,
    announce,
    check_state,
    find_running,
    one_at_a_time,
    state_folder,
    withdraw,
)
from tests.small_disk import small_disk


def about(pid: int, began_ticks: int | None = None) -> Running:
    ticks = Process.of(pid).began if began_ticks is None else began_ticks
    return Running(pid, ticks, "127.0.0.1:8000", "127.0.0.1:9000", ("fashion",), "/tmp/log")


def ended_pid() -> int:
    child = subprocess.Popen(["true"])
    child.wait()
    return child.pid


def test_a_note_about_a_live_process_is_found_again(tmp_path: Path) -> None:
    announce(tmp_path / "new", about(os.getpid()))
    assert find_running(tmp_path / "new") == about(os.getpid())


def test_a_note_about_a_process_that_ended_counts_for_nothing(tmp_path: Path) -> None:
    announce(tmp_path, about(ended_pid(), 1))
    assert find_running(tmp_path) is None


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="no /proc: a process's start is not known")
def test_a_note_about_a_process_that_has_the_number_of_an_older_one_counts_for_nothing(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        announce(tmp_path, about(other.pid, Process.of(other.pid).began - 1))
        assert find_running(tmp_path) is None
        announce(tmp_path, about(other.pid))
        assert find_running(tmp_path)
        other.kill()


def test_a_process_that_ended_unheard_of_runs_no_more(tmp_path: Path) -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        announce(tmp_path, about(other.pid))
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)  # it stays, as a zombie
        assert find_running(tmp_path) is None


NUMBERLESS = json.dumps(asdict(Running(10**30, 1, "a:1", "a:2", ("x",), "log")))


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"pid": "x"}', NUMBERLESS])
def test_a_file_that_is_no_note_counts_for_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "serve.json").write_text(text)
    assert find_running(tmp_path) is None


def test_a_service_withdraws_its_own_note_only(tmp_path: Path) -> None:
    announce(tmp_path, about(os.getpid()))
    withdraw(tmp_path, ended_pid())
    assert find_running(tmp_path)
    withdraw(tmp_path, os.getpid())
    assert find_running(tmp_path) is None


def test_the_state_folder_follows_the_environment(tmp_path: Path) -> None:
    assert state_folder({"STRATA_STATE": "/a", "XDG_STATE_HOME": "/b"}) == Path("/a")
    assert state_folder({"XDG_STATE_HOME": "/b"}) == Path("/b/strata")


def test_of_two_who_would_start_at_once_one_waits(tmp_path: Path) -> None:
    state = tmp_path / "state"
    with one_at_a_time(state), (state / "serve.lock").open("w") as other, pytest.raises(BlockingIOError):
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
    with (state / "serve.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)


def test_a_state_folder_on_a_full_disk_is_refused_by_name_before_anything_is_started(tmp_path: Path) -> None:
    with small_disk(tmp_path, 128 << 10) as disk:
        (disk / "filled").write_bytes(bytes(100 << 10))
        refused = pytest.raises(Unavailable, match=rf"{disk}/state: .*No space left.*STRATA_STATE")
        with refused, one_at_a_time(disk / "state"):
            pytest.fail("a service is started")
        (disk / "filled").unlink()
        check_state(disk / "state")
        assert list((disk / "state").iterdir()) == []


@pytest.mark.parametrize("place", ["/proc/nowhere", "/dev/null/state"])
def test_a_state_folder_that_cannot_be_made_is_refused_by_name(place: str) -> None:
    with pytest.raises(Unavailable, match=f"{place}: .*STRATA_STATE"):
        check_state(Path(place))
