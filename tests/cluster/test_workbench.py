"""The workbench on the cluster: a session outlives the pod that it was opened in."""

import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import grpc
import pytest
from PIL import Image

from services.bench.cluster import Cluster, run
from services.contracts.strata.workbench.v1 import workbench_pb2 as pb
from services.contracts.strata.workbench.v1 import workbench_pb2_grpc as pb_grpc
from tests.cluster.installed import MEMBERS, TIMEOUT_S, namespace, workbench_images
from tests.cluster.object_store import ENDPOINT, SECRET, start_store

RELEASE = "bench"
NAME = f"{RELEASE}-workbench"


@dataclass(frozen=True)
class Bench:
    """The workbench through Knative's ingress."""

    cluster: Cluster
    stub: "pb_grpc.WorkbenchServiceStub"

    def call(self, rpc: str, request: Any, owner: str = "owner-of-these-tests") -> Any:
        """One reply, or all of a stream's; while a pod comes or goes, the way may break and is tried again."""
        limit = time.monotonic() + TIMEOUT_S
        while True:
            try:
                sent = iter(request) if isinstance(request, list) else request
                reply = getattr(self.stub, rpc)(sent, metadata=(("strata-owner", owner),), timeout=TIMEOUT_S)
                return list(reply) if isinstance(reply, Iterator) else reply
            except grpc.RpcError as error:
                broken = error.code() is grpc.StatusCode.UNAVAILABLE
                if not broken or time.monotonic() > limit:
                    raise
                time.sleep(0.5)

    def shows(self, session: str) -> tuple[pb.Session, pb.LookResponse]:
        """Where a session stands, and what it shows there."""
        stands = self.call("GetSession", pb.GetSessionRequest(session=session)).session
        return stands, self.call("Look", pb.LookRequest(session=session, histogram=True))


@pytest.fixture(scope="module")
def bench() -> Iterator[Bench]:
    """In a namespace of its own, with a store in it."""
    with namespace("bench") as beside:
        start_store(beside, "sessions")
        store = {"url": "s3://sessions/e2e", "endpoint": ENDPOINT, "secret": SECRET}
        values = {
            "images": workbench_images(),
            "models": {**dict.fromkeys(MEMBERS), MEMBERS[1]: {}},
            "ensemble": {"replicas": 0},
            "workbench": {"enabled": True, "store": store, "scale": {"window": "6s"}},
        }
        beside.install(RELEASE, values)
        with grpc.insecure_channel(beside.ingress, [("grpc.default_authority", beside.authority(NAME))]) as channel:
            yield Bench(beside, pb_grpc.WorkbenchServiceStub(channel))


@pytest.fixture(scope="module")
def session(bench: Bench) -> str:
    """Stepped, edited and branched."""
    picture = io.BytesIO()
    Image.effect_noise((96, 96), 90).convert("RGB").save(picture, "png")
    model = pb.OpenSessionRequest.NamedModel(name="yolov3-tiny", size=96)
    request = pb.OpenSessionRequest(named=model, picture=picture.getvalue(), mode=pb.MODE_INT8)
    session: str = bench.call("OpenSession", request).session.id
    bench.call("Step", pb.StepRequest(session=session, forward=3))
    numbers = pb.EditRequest.Numbers(place=[3], values=[0.5])
    bench.call("Edit", pb.EditRequest(session=session, weights=numbers))
    bench.call("Branch", pb.BranchRequest(session=session, name="other"))
    bench.call("Edit", pb.EditRequest(session=session, scale=pb.EditRequest.Scale(channel=1, scale=0.25)))
    return session


def kill(bench: Bench) -> None:
    """End the pod with a second's notice, and wait until it is gone: what answers next is another."""
    selector = f"serving.knative.dev/service={NAME}"
    bench.cluster.kubectl("delete", "pods", "--selector", selector, "--grace-period=1", "--wait")


def wait_for_zero(bench: Bench) -> None:
    bench.cluster.wait_for_zero(NAME)


@pytest.mark.parametrize("end", [kill, wait_for_zero])
def test_a_session_outlives_its_pod(bench: Bench, session: str, end: Callable[[Bench], None]) -> None:
    before = bench.shows(session)
    assert (before[0].branch, before[0].edits) == ("other", 2)
    end(bench)
    assert bench.shows(session) == before


def test_another_owner_finds_nothing_of_it(bench: Bench, session: str) -> None:
    with pytest.raises(grpc.RpcError) as caught:
        bench.call("GetSession", pb.GetSessionRequest(session=session), "owner-of-nothing-here")
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def test_rows_of_a_cross_come_through_the_ingress(bench: Bench, session: str) -> None:
    rows = bench.call("Cross", pb.CrossRequest(session=session))
    assert len(rows) == len(bench.call("GetGraph", pb.GetGraphRequest(session=session)).layers)


def test_a_file_of_many_pieces_comes_through_the_ingress(bench: Bench) -> None:
    pieces = [pb.UploadFileRequest(piece=bytes(1 << 20)) for _ in range(40)]
    assert bench.call("UploadFile", pieces).size_bytes == 40 << 20


def test_helm_test_passes(bench: Bench) -> None:
    run("helm", "test", RELEASE, "--namespace", bench.cluster.namespace, "--filter", f"name={RELEASE}-test-workbench")
