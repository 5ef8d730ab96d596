"""`strata pipeline size` for real: processes in memory cgroups, killed where there is too little."""

import asyncio
from pathlib import Path

import pytest

from services.bench.pipeline_sizing import Trials
from services.edge.errors import FailedPrecondition, Unavailable, Unsupported
from services.local.memory_group import memory_group
from services.pipeline.sizing import MIB
from services.zoo.model_file import read_model_file
from services.zoo.stage_compile import Cutting, compile_stages
from tests.contract.tiny_program import write_tiny

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


def test_a_stage_runs_with_enough_memory_and_fails_as_an_error_of_ours_with_too_little(tmp_path: Path) -> None:
    try:
        with memory_group(MIB):
            pass
    except Unsupported as error:
        pytest.skip(str(error))
    write_tiny(tmp_path, "tiny")
    model_file = read_model_file(tmp_path / "tiny.yaml")
    folders = compile_stages(model_file, Cutting(stages=2), tmp_path / "cache", "onnxruntime")

    async def run() -> None:
        trials = await Trials.begin(folders, 20, tmp_path / "trials")
        await trials.run(0)
        free = await trials.run(1)
        assert free.micro_batches == (16, 4)
        enough = await trials.run(1, 400 * MIB)
        assert enough.micro_batches == free.micro_batches
        assert trials.oom_kills == 0
        with pytest.raises((Unavailable, FailedPrecondition)):
            await trials.run(1, 8 * MIB)
        assert trials.oom_kills >= 1

    asyncio.run(run())
