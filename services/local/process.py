"""One service as a child process on loopback."""

import asyncio
import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from services.edge.errors import NotStarted
from services.local.process_status import Life, Process

LastWords: TypeAlias = Mapping[str, Any]
"""The line of JSON that a service prints when it has drained, `{"event": "ended", ...}`; empty where it did not."""

_LOG_TAIL_LINES = 8


class ChildProcess:
    """A child that has said it is ready."""

    def __init__(self, process: asyncio.subprocess.Process, grpc_port: int, output: "asyncio.Task[LastWords]"):
        self._process = process
        self._output = output
        self.pid = process.pid
        self._noted = Process.of(process.pid)
        self.address = f"127.0.0.1:{grpc_port}"

    @property
    def alive(self) -> bool:
        """True while it can answer."""
        return self._process.returncode is None and self._noted.life() is Life.RUNNING

    async def stop(self, grace_s: float) -> "LastWords":
        """End it: SIGTERM, on which it answers what it runs; SIGKILL after `grace_s`. Return its last words."""
        await _end(self._process, grace_s)
        return await self._output


async def start_service(
    module: str,
    name: str,
    settings: Mapping[str, str],
    log: Path,
    start_timeout_s: float,
    wrapper: Sequence[str] = (),
) -> ChildProcess:
    """Start `python -m MODULE` with the settings given and wait until it is ready.

    A service says so by a line of JSON on its standard output, `{"event": "ready", "grpc_port": n}`; its settings are
    the variables that begin with the module's last word, `MODEL_` for `services.model`. Those of ours it does not see.

    Args:
        name: what to call it in messages.
        settings: its environment beside ours; its gRPC address is set here.
        log: its log is appended to this file.
        wrapper: words before the command, which it replaces itself by.
    Raises:
        NotStarted: there was no room for its process or its log; or it ended, or was not ready in time and was killed:
            then the message has the log's last lines.
    """
    prefix = f"{module.rpartition('.')[2].upper()}_"
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(prefix) and key != "PORT"}
    try:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as log_file:
            before_bytes = log_file.tell()
            process = await asyncio.create_subprocess_exec(
                *(*wrapper, sys.executable),
                *("-m", "services.local.child", str(os.getpid()), module),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=log_file,
                env={**inherited, **settings, f"{prefix}GRPC_ADDRESS": "127.0.0.1:0"},
            )
    except OSError as error:  # a full disk, as many files or processes as there may be
        raise NotStarted(f"'{name}' cannot be started: {error}") from error
    try:
        async with asyncio.timeout(start_timeout_s):
            grpc_port = await _read_port(process)
    except TimeoutError:
        await _end(process, grace_s=0)
        raise NotStarted(_why(name, f"was not ready in {start_timeout_s:g} s", log, before_bytes)) from None
    except BaseException:
        await _end(process, grace_s=0)
        raise
    if grpc_port is None:
        code = await process.wait()
        raise NotStarted(_why(name, f"ended with code {code} before it was ready", log, before_bytes))
    return ChildProcess(process, grpc_port, asyncio.create_task(_read_last_words(process)))


async def _read_port(process: asyncio.subprocess.Process) -> int | None:
    """Wait for the ready line; None where the output ends without one."""
    assert process.stdout is not None
    async for line in process.stdout:
        if said := _event(line, "ready"):
            return int(said["grpc_port"])
    return None


async def _read_last_words(process: asyncio.subprocess.Process) -> LastWords:
    """Read on to the end: with the pipe full, a print of a library's would block the child."""
    assert process.stdout is not None
    words: LastWords = {}
    async for line in process.stdout:
        words = _event(line, "ended") or words
    return words


def _event(line: bytes, name: str) -> LastWords:
    """Read a line that a service says something by; empty where it is another or none."""
    try:
        said = json.loads(line)
    except ValueError:
        return {}
    return said if isinstance(said, dict) and said.get("event") == name else {}


async def _end(process: asyncio.subprocess.Process, grace_s: float) -> None:
    if process.returncode is None and grace_s > 0:
        process.terminate()
        try:
            async with asyncio.timeout(grace_s):
                await process.wait()
        except TimeoutError:
            pass
    if process.returncode is None:
        process.kill()
    await process.wait()


def _why(name: str, what: str, log: Path, from_bytes: int) -> str:
    with log.open("rb") as log_file:
        log_file.seek(from_bytes)
        lines = log_file.read().decode(errors="replace").splitlines()[-_LOG_TAIL_LINES:]
    return "\n".join([f"'{name}' {what}; the last lines of {log}:", *lines])
