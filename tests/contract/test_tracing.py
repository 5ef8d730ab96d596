"""One request's trace, from the caller through the front door to the forward pass, as a collector gets it."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import grpc
import httpx
import pytest
import yaml

from services.artifacts.store import open_store
from services.contracts.strata.ensemble.v1 import ensemble_pb2 as pb
from services.contracts.strata.ensemble.v1 import ensemble_pb2_grpc as pb_grpc
from services.edge.http_client import client_options
from services.pipeline.packing import name_pictures, pack
from services.zoo.model_compile import compile_model
from services.zoo.model_file import read_model_file
from services.zoo.stage_compile import Cutting, compile_stages
from tests.contract.collector import Collector, collecting
from tests.contract.tiny_program import write_tiny

TRACES = {"grpc": "0af7651916cd43dd8448eb211c80319c", "http": "1bf7651916cd43dd8448eb211c80319d"}
CALLER = "b7ad6b7169203331"
MODELS = ("left", "right")


@pytest.fixture
async def collector() -> AsyncIterator[tuple[Collector, str]]:
    async with collecting() as found:
        yield found


@contextmanager
def running(module: str, endpoint: str, **settings: str) -> Iterator[dict[str, Any]]:
    """A service that sends its spans before it ends; yields its ready line."""
    environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **settings}
    process = subprocess.Popen([sys.executable, "-m", module], env=environment, stdout=subprocess.PIPE)
    try:
        assert process.stdout
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=30)


def declare(folder: Path) -> dict[str, Path]:
    """An ensemble of two members; returns where each is compiled."""
    (folder / "models").mkdir()
    compiled = {}
    for name in MODELS:
        declared = {"name": name, "architecture": "sleep", "weights": "random://0", "input": {"size": [32, 32]}}
        path = folder / "models" / f"{name}.yaml"
        path.write_text(yaml.safe_dump({**declared, "parameters": {"delay_ms": 1, "classes": 3}}))
        compiled[name] = compile_model(read_model_file(path), folder / "cache")
    (folder / "pair.yaml").write_text(yaml.safe_dump({"name": "pair", "members": [{"model": each} for each in MODELS]}))
    return compiled


async def ask(door: dict[str, Any], picture: bytes) -> None:
    """Once over each protocol, with a trace that the caller began."""
    carriers = {protocol: f"00-{trace}-{CALLER}-01" for protocol, trace in TRACES.items()}
    async with grpc.aio.insecure_channel(f"127.0.0.1:{door['grpc_port']}") as channel:
        stub: Any = pb_grpc.EnsembleServiceStub(channel)
        await stub.Predict(pb.PredictRequest(pictures=[picture]), metadata=(("traceparent", carriers["grpc"]),))
    async with httpx.AsyncClient(**client_options(f"http://127.0.0.1:{door['http_port']}")) as http:
        headers = {"traceparent": carriers["http"]}
        (await http.post("/v1/ensembles/pair:predict", content=picture, headers=headers)).raise_for_status()
        await http.get("/readyz", headers=headers)


async def test_one_trace_leads_from_the_caller_over_the_door_and_each_member_to_its_pass(
    collector: tuple[Collector, str], tmp_path: Path
) -> None:
    kept, endpoint = collector
    compiled = declare(tmp_path)
    picture = (Path(__file__).parents[2] / "examples/fashion/pictures/Sandal/00008.png").read_bytes()

    def serve() -> None:
        with (
            running("services.model", endpoint, MODEL_COMPILED=str(compiled["left"]), MODEL_HTTP_ADDRESS="") as left,
            running("services.model", endpoint, MODEL_COMPILED=str(compiled["right"]), MODEL_HTTP_ADDRESS="") as right,
        ):
            places = {"left": left, "right": right}
            members = {name: {"address": f"127.0.0.1:{said['grpc_port']}"} for name, said in places.items()}
            settings = {"ENSEMBLE_FILES": str(tmp_path / "pair.yaml"), "ENSEMBLE_MEMBERS": json.dumps(members)}
            with running("services.ensemble", endpoint, **settings) as door:
                asyncio.run(ask(door, picture))

    await asyncio.to_thread(serve)
    infer = "inference.GRPCInferenceService/ModelInfer"
    to_the_pass = (
        "strata-ensemble: member",
        f"strata-ensemble: {infer}",
        f"strata-model: {infer}",
        "strata-model: forward",
    )
    doors = {"grpc": "strata.ensemble.v1.EnsembleService/Predict", "http": "POST /v1/ensembles/pair:predict"}
    for protocol, door in doors.items():
        assert kept.ways(TRACES[protocol]) == {(CALLER, f"strata-ensemble: {door}", *to_the_pass)}
    asked = sorted(
        attribute.value.string_value
        for _, span in kept.spans
        for attribute in span.attributes
        if span.name == "forward" and attribute.key == "model"
    )
    assert asked == ["left", "left", "right", "right"]


async def test_a_jobs_records_have_a_trace_each_that_the_stages_join(
    collector: tuple[Collector, str], tmp_path: Path
) -> None:
    kept, endpoint = collector
    write_tiny(tmp_path, "tiny")
    model_file = read_model_file(tmp_path / "tiny.yaml")
    folders = compile_stages(model_file, Cutting(stages=2), tmp_path / "cache", "onnxruntime")
    root = open_store(str(tmp_path)).url
    records = open_store(f"{root}/records", create=True)
    pictures = name_pictures([Path(__file__).parents[2] / "examples/fashion/pictures/Sandal"])
    await pack(pictures, -(-len(pictures) // 2), records)

    def drive() -> None:
        with ExitStack() as stack:
            said = [
                stack.enter_context(running("services.stage", endpoint, STAGE_COMPILED=str(folder), STAGE_STORES=root))
                for folder in folders
            ]
            places = ",".join(f"127.0.0.1:{each['grpc_port']}" for each in said)
            settings = {"RECORDS": records.url, "TO": f"{root}/out", "JOB": "traced", "SERVICES": places}
            driver = {f"PIPELINE_{key}": value for key, value in settings.items()}
            environment = {**os.environ, "OTEL_EXPORTER_OTLP_ENDPOINT": endpoint, **driver}
            subprocess.run([sys.executable, "-m", "services.pipeline"], env=environment, check=True, timeout=60)

    await asyncio.to_thread(drive)
    run = "strata.stage.v1.StageService/Run"
    to_the_stage = (f"strata-pipeline: {run}", f"strata-stage: {run}")
    found = {}
    for trace, name, record in [
        (span.trace_id.hex(), span.name, value.value.string_value)
        for service, span in kept.spans
        for value in span.attributes
        if service == "strata-pipeline" and not span.parent_span_id and value.key == "record"
    ]:
        found[record] = name
        ways = kept.ways(trace)
        assert {way[1] for way in ways} == {f"strata-pipeline: {name}"}
        assert {way[-3:-1] for way in ways if way[-1].startswith("strata-stage: store")} == {to_the_stage}
        calls = [span for _, span in kept.spans if span.trace_id.hex() == trace and span.name == run]
        assert len(calls) == 2 * len(folders)
    assert found == {"000000.record": "ahead", "000001.record": "record"}
