"""What is said of a process at each moment of its life, so that none is taken for alive between two questions."""

import os
import signal
import subprocess

from services.local.process_status import Life, Process


def test_it_runs_until_it_is_killed_and_has_ended_before_its_parent_hears_of_it() -> None:
    with subprocess.Popen(["sleep", "60"]) as other:
        process = Process.of(other.pid)
        assert process.life() is Life.RUNNING
        other.kill()
        os.waitid(os.P_PID, other.pid, os.WEXITED | os.WNOWAIT)
        assert process.life() is Life.ENDED
        other.wait()
        assert process.life() is Life.ENDED


def test_an_id_without_a_process_is_not_running_whatever_was_noted() -> None:
    ended = subprocess.Popen(["true"])
    ended.wait()
    assert {Process(ended.pid, began).life() for began in (0, 1)} == {Life.ENDED}
    assert Process.of(ended.pid).life() is Life.ENDED
    assert Process(10**30, 0).life() is Life.ENDED


def test_killed_at_any_moment_it_is_seen_to_leave_before_its_pipe_is_closed() -> None:
    """What a caller notices of a death is a closed connection: by then the kernel's word must be out."""
    for _ in range(50):
        with subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
            assert other.stdout
            process = Process.of(other.pid)
            os.kill(other.pid, signal.SIGKILL)
            assert other.stdout.read() == b""
            assert process.life() is not Life.RUNNING
