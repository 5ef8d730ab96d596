"""A job's lease in a real S3 server: it lets one of several drivers, and says how old a lease is."""

import asyncio
import json
from dataclasses import asdict
from pathlib import Path

import pytest

from services.artifacts.store import open_store
from services.edge.errors import JobUnderWay
from services.pipeline import lease as lease_module
from services.pipeline.lease import Holder, Lease
from tests.contract.s3_server import s3_server

DRIVERS = 6


def lease(number: int) -> Lease:
    store = open_store("s3://pictures/out")
    return Lease(store, "j", Holder(f"id-{number}", f"host-{number}", number, "", 0), lambda _: False)


async def test_one_of_several_drivers_gets_a_job_and_the_next_one_when_its_lease_has_run_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with s3_server(tmp_path / "buckets") as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        store = open_store("s3://pictures/out")
        end = asyncio.Event()
        keeping = {asyncio.create_task(lease(number).keep(end.wait())) for number in range(DRIVERS)}
        refused: set[asyncio.Task[object]] = set()
        while len(refused) < DRIVERS - 1:
            done, _ = await asyncio.wait(keeping - refused, return_when=asyncio.FIRST_COMPLETED)
            refused |= done
        assert all(isinstance(task.exception(), JobUnderWay) for task in refused)
        end.set()
        (kept,) = keeping - refused
        assert await kept
        assert await store.keys() == []

        await store.write("j/lease/000001", json.dumps(asdict(Holder("dead", "gone", 7, "", 0))).encode())
        with pytest.raises(JobUnderWay, match="process 7 on gone"):
            await lease(1).check()
        monkeypatch.setattr(lease_module, "LEASE_S", 1.0)
        while True:
            try:
                await lease(1).check()
            except JobUnderWay:
                await asyncio.sleep(0.2)
            else:
                break
        assert await lease(1).keep(asyncio.sleep(0, "done")) == "done"
        assert await store.keys() == []
