"""`strata pipeline run`: how it has its stages run on this machine."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from services.artifacts.store import open_store
from services.cli import pipeline_run
from services.edge.progress import no_progress
from services.pipeline.client import CALL_TIMEOUT_S


async def test_a_stage_is_not_taken_for_idle_while_a_record_may_be_with_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    given_s: list[float] = []

    @asynccontextmanager
    async def local_stages(
        folders: Mapping[str, Path], stores: Sequence[str], logs: Path, idle_s: float
    ) -> AsyncIterator[SimpleNamespace]:
        given_s.append(idle_s)
        yield SimpleNamespace(channel=print)

    monkeypatch.setattr(pipeline_run, "local_stages", local_stages)
    monkeypatch.setattr(pipeline_run, "_compiled", lambda *_: [tmp_path / "one", tmp_path / "two"])
    store = open_store(str(tmp_path))
    wanted = cast(Any, SimpleNamespace(services="", executor="embedded"))
    async with pipeline_run._stages(wanted, None, store, store, 2, no_progress) as stages:
        assert len(stages) == 2
    assert given_s[0] > CALL_TIMEOUT_S
