"""A model in integers: from files in a store, compiled in its pod, it answers as `strata quant run` does."""

import asyncio
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import torch
from torch import Tensor

from quant.precision import Mode
from services.artifacts.store import open_store
from services.bench.cluster import Cluster
from services.contracts.inference.v2 import open_inference_pb2 as oip
from services.contracts.inference.v2 import open_inference_pb2_grpc as oip_grpc
from services.workbench.calibrating import calibrate_model
from services.workbench.engine_model import EngineModel
from services.workbench.engines import engine_of
from services.workbench.files import write_integers
from services.workbench.opening import open_model
from services.workbench.picture_files import PictureFiles, read_picture
from services.workbench.pictures import as_input
from services.zoo.catalog import default_catalog
from services.zoo.integers import Integers
from tests.cluster.installed import MEMBERS, ROOT, TIMEOUT_S, images, namespace
from tests.cluster.object_store import SECRET, start_store, store_environment

FLOAT, NAME = MEMBERS[1], "fashion-int8"
PICTURES = sorted((ROOT / "examples" / "fashion" / "pictures").glob("*/*.png"))


@dataclass(frozen=True)
class InIntegers:
    """Installed; the model and the integers that its pod has too."""

    cluster: Cluster
    model: EngineModel
    integers: Integers

    def answers_here(self, mode: Mode) -> Tensor:
        engine, (output,) = engine_of(self.model, mode, self.integers), self.model.graph.outputs
        return torch.cat([engine.run(as_input(self.model, read_picture(path)))[output] for path in PICTURES])

    def answers_there(self) -> Tensor:
        tensor = oip.ModelInferRequest.InferInputTensor(name="picture", datatype="BYTES", shape=[len(PICTURES)])
        tensor.contents.bytes_contents.extend(path.read_bytes() for path in PICTURES)
        named = [("grpc.default_authority", self.cluster.authority(NAME))]
        with grpc.insecure_channel(self.cluster.ingress, named) as channel:
            request = oip.ModelInferRequest(model_name=NAME, inputs=[tensor])
            answer = oip_grpc.GRPCInferenceServiceStub(channel).ModelInfer(request, timeout=TIMEOUT_S)
        found = torch.frombuffer(bytearray(answer.raw_output_contents[0]), dtype=torch.float32)
        return found.reshape(tuple(answer.outputs[0].shape))


@pytest.fixture(scope="module")
def in_integers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[InIntegers]:
    catalog = default_catalog(os.environ)
    declared, model = catalog.model(FLOAT), open_model(FLOAT, catalog)
    integers = calibrate_model(model, PictureFiles(PICTURES), "minmax").integers
    kept = tmp_path_factory.mktemp("integers") / f"{NAME}.integers"
    write_integers(kept, model, integers)
    weights = declared.folder / declared.weights.removeprefix("file://")
    with namespace("integers") as beside:
        start_store(beside, "models")
        upload(beside, weights, kept)
        file = {
            **declared.model_dump(mode="json", include={"architecture", "parameters", "input"}, exclude_unset=True),
            "labels": declared.label_names(),
            "weights": f"s3://models/{weights.name}",
            "precision": "int8",
            "integers": f"s3://models/{kept.name}",
        }
        models = {**dict.fromkeys(MEMBERS), NAME: {"file": file, "secret": SECRET}}
        beside.install("integers", {"images": images(), "models": models, "ensemble": {"replicas": 0}})
        yield InIntegers(beside, model, integers)


def upload(cluster: Cluster, *paths: Path) -> None:
    async def write() -> None:
        store = open_store("s3://models")
        for path in paths:
            await store.write(path.name, path.read_bytes())

    with pytest.MonkeyPatch.context() as patch:
        for name, value in store_environment(cluster).items():
            patch.setenv(name, value)
        asyncio.run(write())


def test_a_pod_answers_in_the_integers_that_are_inspected_here(in_integers: InIntegers) -> None:
    """Far nearer to the engine's int8 than that is to float: but for codes that lie between two, it is the same."""
    there, here = in_integers.answers_there(), in_integers.answers_here(Mode.INT8)
    rounding = (in_integers.answers_here(Mode.FLOAT) - here).abs().mean()
    assert float((there - here).abs().mean()) < 0.1 * float(rounding)
    assert torch.equal(there.argmax(1), here.argmax(1))
