"""The supervisor over real child processes on loopback."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import numpy as np
import pytest

from services.contracts.inference.v2 import open_inference_pb2 as pb
from services.contracts.inference.v2 import open_inference_pb2_grpc as pb_grpc
from services.edge.errors import NotStarted
from services.local.models import local_models
from services.local.supervisor import Supervisor
from services.zoo.manifest import InputSpec, Manifest

SPEC = InputSpec((8, 8), 8, (0.5, 0.5, 0.5), (0.5, 0.5, 0.5), "bilinear")


def sleeping(folder: Path, name: str, delay_ms: float) -> Path:
    made = folder / name
    made.mkdir()
    shape = (-1, 3, 8, 8)
    Manifest(name, "v1", "sleep", "image", shape, "scores", (-1, 4), (), SPEC, {"delay_ms": delay_ms}).write(made)
    return made


def request(model: str) -> pb.ModelInferRequest:
    values = np.zeros((1, 3, 8, 8), np.float32)
    tensor = pb.ModelInferRequest.InferInputTensor(name="image", datatype="FP32", shape=values.shape)
    return pb.ModelInferRequest(model_name=model, inputs=[tensor], raw_input_contents=[values.tobytes()])


async def ask(supervisor: Supervisor, model: str) -> pb.ModelInferResponse:
    return await pb_grpc.GRPCInferenceServiceStub(await supervisor.channel(model)).ModelInfer(request(model))


def exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


async def gone(pid: int) -> None:
    while exists(pid):
        await asyncio.sleep(0.01)


@pytest.fixture
async def supervisor(tmp_path: Path) -> AsyncIterator[Supervisor]:
    compiled = {name: sleeping(tmp_path, name, 0) for name in ("killed", "other")}
    async with local_models(compiled, tmp_path / "logs") as running:
        yield running


async def test_a_model_starts_on_first_use_answers_and_ends_with_the_supervisor(tmp_path: Path) -> None:
    async with local_models({"quick": sleeping(tmp_path, "quick", 0)}, tmp_path / "logs") as supervisor:
        assert supervisor.running() == {}
        first, second = await asyncio.gather(ask(supervisor, "quick"), ask(supervisor, "quick"))
        assert first.outputs[0].shape == second.outputs[0].shape == [1, 4]
        (pid,) = supervisor.running().values()
    assert not exists(pid)
    assert '"event": "ready"' in (tmp_path / "logs" / "quick.log").read_text()


async def test_a_killed_child_costs_the_request_in_flight_and_no_other(supervisor: Supervisor) -> None:
    await asyncio.gather(ask(supervisor, "killed"), ask(supervisor, "other"))
    pid = supervisor.running()["killed"]
    os.kill(pid, signal.SIGSTOP)  # it answers nothing more: the request is in flight until the kill
    in_flight = asyncio.create_task(ask(supervisor, "killed"))
    await asyncio.sleep(0.1)
    os.kill(pid, signal.SIGKILL)
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await in_flight
    assert caught.value.code() == grpc.StatusCode.UNAVAILABLE
    assert (await ask(supervisor, "killed")).outputs[0].shape == [1, 4]
    assert (await ask(supervisor, "other")).outputs[0].shape == [1, 4]
    assert supervisor.running()["killed"] != pid


async def test_an_idle_child_answers_what_it_runs_and_ends(tmp_path: Path) -> None:
    compiled = {"slow": sleeping(tmp_path, "slow", 2500)}
    async with local_models(compiled, tmp_path / "logs", idle_s=1.0) as supervisor:
        running = asyncio.create_task(ask(supervisor, "slow"))
        while not supervisor.running():
            await asyncio.sleep(0.01)
        (pid,) = supervisor.running().values()
        assert (await running).outputs[0].shape == [1, 4]
        await asyncio.wait_for(gone(pid), 10)
        assert supervisor.running() == {}


async def test_a_child_that_cannot_start_says_why(tmp_path: Path) -> None:
    broken = sleeping(tmp_path, "broken", 0)
    (broken / "manifest.json").write_text("{")
    async with local_models({"broken": broken}, tmp_path / "logs") as supervisor:
        with pytest.raises(NotStarted, match="ended with code 2 before it was ready") as caught:
            await supervisor.channel("broken")
        assert "not the manifest of a compiled model" in str(caught.value)


async def test_a_child_without_a_place_for_its_log_is_named_and_the_next_call_tries_again(tmp_path: Path) -> None:
    logs = tmp_path / "logs"
    logs.write_text("")
    async with local_models({"one": sleeping(tmp_path, "one", 0)}, logs) as supervisor:
        assert "'one' cannot be started" in (await supervisor.wake(["one"]))["one"]
        with pytest.raises(NotStarted, match="'one' cannot be started"):
            await supervisor.channel("one")
        logs.unlink()
        assert (await ask(supervisor, "one")).model_name == "one"


async def test_a_child_that_takes_too_long_to_start_is_ended(tmp_path: Path) -> None:
    slow = {"slow": sleeping(tmp_path, "slow", 60_000)}  # its first pass is its readiness
    async with local_models(slow, tmp_path / "logs", start_timeout_s=1.5) as supervisor:
        with pytest.raises(NotStarted, match=r"was not ready in 1\.5 s"):
            await supervisor.channel("slow")
        assert supervisor.running() == {}


PARENT = """
import asyncio, sys
from pathlib import Path
from services.local.models import local_models

async def main():
    async with local_models({"quick": Path(sys.argv[1])}, Path(sys.argv[2])) as supervisor:
        await supervisor.channel("quick")
        print(supervisor.running()["quick"], flush=True)
        await asyncio.sleep(60)

asyncio.run(main())
"""


async def test_children_end_when_their_parent_is_killed(tmp_path: Path) -> None:
    model = sleeping(tmp_path, "quick", 0)
    arguments = [sys.executable, "-c", PARENT, str(model), str(tmp_path / "logs")]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = int(await asyncio.to_thread(parent.stdout.readline))
        assert exists(child)
        parent.kill()
    await asyncio.wait_for(gone(child), 10)
